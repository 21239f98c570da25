"""The ledger, a page at a time: filtered by domain, retriever, verdict and reason, riskiest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import pyarrow.compute as pc

from jobs.views.ledger import Row
from jobs.views.review.pool import Pool
from jobs.views.review.session import Session
from schemas.mining import CANDIDATES, KEPT, VERDICTS
from schemas.reasons import NO_SETTING, setting_of

PAGE_ROWS = 20
FILTERS = ("domain", "retriever", "verdict", "reason")
NO_REASON = "none: it is a negative"
_SIGNALS = ("dense", "positive_sim", "teacher")


@dataclass(frozen=True)
class Filters:
    """What of the ledger is looked at; empty = all."""

    domain: str = ""
    retriever: str = ""
    verdict: str = ""
    reason: str = ""
    page: int = 1

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Filters:
        """Return the filters that a query string names; a page that is no number is the first."""
        page = given.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 8 else 1
        return cls(**{name: given.get(name, "") for name in FILTERS}, page=max(1, number))

    def link(self, page: int) -> str:
        """Return the query string of another page of the same filters."""
        given = {name: value for name in FILTERS if (value := getattr(self, name))}
        return urlencode({**given, "page": page})


@dataclass(frozen=True)
class LedgerPage:
    """Some rows of the ledger, and how many there are."""

    rows: list[dict[str, Any]]
    found: int
    filters: Filters
    choices: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.found // PAGE_ROWS))


class LedgerBrowser:
    """Reads pages of the ledger of one build."""

    def __init__(self, pool: Pool) -> None:
        """Read nothing yet."""
        self._pool = pool

    @cached_property
    def choices(self) -> Mapping[str, list[str]]:
        """What each filter may be."""
        rows = self._pool.candidates
        return {
            "domain": sorted(rows["domain"].unique()),
            "retriever": sorted(self._pool.ledger.distinct("mine", CANDIDATES, "retriever")),
            "verdict": sorted(rows["verdict"].unique()),
            "reason": [*sorted(rows["drop_reason"].dropna().unique()), NO_REASON],
        }

    def read(self, filters: Filters, session: Session) -> LedgerPage:
        """Return a page, highest probability first; ties by query and document."""
        rows = self._pool.candidates
        if filters.domain:
            rows = rows[rows["domain"] == filters.domain]
        if filters.verdict:
            rows = rows[rows["verdict"] == filters.verdict]
        if filters.reason:
            rows = rows[
                rows["drop_reason"].isna() if filters.reason == NO_REASON else rows["drop_reason"] == filters.reason
            ]
        if filters.retriever:
            found = self._pool.ledger.table(
                "mine", CANDIDATES, ("query_id", "doc_id"), pc.field("retriever") == filters.retriever
            )
            keys = ["query_id", "doc_id"]
            rows = rows.merge(found.to_pandas(), on=keys) if found is not None else rows.head(0)
        ordered = rows.sort_values(["fn_probability", "query_id", "doc_id"], ascending=[False, True, True])
        last = max(1, -(-len(rows) // PAGE_ROWS))
        filters = Filters(**{name: getattr(filters, name) for name in FILTERS}, page=min(filters.page, last))
        shown = ordered.iloc[(filters.page - 1) * PAGE_ROWS : filters.page * PAGE_ROWS]
        pairs = list(zip(shown["query_id"], shown["doc_id"], strict=True))
        return LedgerPage(self._describe(pairs, session), len(rows), filters, self.choices)

    def _describe(self, pairs: list[tuple[str, str]], session: Session) -> list[dict[str, Any]]:
        """Return what is shown of each pair: its texts, its signals, the verdict and the setting that made it."""
        ledger = self._pool.ledger
        if not pairs:
            return []
        queries, docs = zip(*pairs, strict=True)
        wanted = pc.field("query_id").isin(queries) & pc.field("doc_id").isin(docs)
        verdicts = {(row["query_id"], row["doc_id"]): row for row in ledger.find("judge", VERDICTS, wanted)}
        found_by: dict[tuple[str, str], list[Row]] = {}
        for row in ledger.find("mine", CANDIDATES, wanted):
            found_by.setdefault((row["query_id"], row["doc_id"]), []).append(row)
        texts = self._pool.texts(doc for _, doc in pairs)
        shown = []
        for query, doc in pairs:
            row, text = verdicts[query, doc], texts.get(doc)
            shown.append(
                {
                    "query_id": query,
                    "doc_id": doc,
                    "query": self._pool.queries.get(query, ""),
                    "text": text,
                    "domain": self._pool.domains.get(query, ""),
                    "found": sorted(
                        f"{each['retriever']} at rank {each['rank']}" for each in found_by.get((query, doc), ())
                    ),
                    "signals": [(name, row[name]) for name in _SIGNALS if row.get(name) is not None],
                    "chance": row["fn_probability"],
                    "threshold": row["threshold"],
                    "verdict": row["verdict"],
                    "reason": row["drop_reason"],
                    "made_by": explain_reason(row["drop_reason"]),
                    "said": session.said_of(query, text.text) if text else [],
                    "is_delivered": row["verdict"] == KEPT,
                }
            )
        return shown


def explain_reason(reason: str | None) -> str:
    """Return the setting that made a reason, or the words for one that no setting makes."""
    return setting_of(reason or "", VERDICTS.name) or NO_SETTING.get(reason or "", "")
