"""What can be asked about: the ledger's candidates and positives of one build, and their texts when they are shown.

Known weakness: texts are found by a scan of the documents, one for all questions of a session and one for every page of
the ledger: seconds where there are millions. Ids, verdicts and probabilities of the whole ledger stand in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jobs.views.ledger import Ledger, Row
from schemas.documents import DOCUMENTS
from schemas.errors import RecipeError
from schemas.mining import VERDICTS
from schemas.pairs import POSITIVES, SYNTHETICS
from schemas.table import Table

_COLUMNS = ("query_id", "doc_id", "verdict", "drop_reason", "fn_probability")
_HOLD_ALL = ("guard", "holdout", "dedupe", "ingest")  # the stages that have all documents, the latest first
UNKNOWN_DOMAIN = "?"


@dataclass(frozen=True)
class Text:
    """A text that is shown, and where it comes from."""

    doc_id: str
    title: str
    text: str
    place: str


class Pool:
    """The candidates, queries and positives of one build, and the texts of those that are asked for."""

    def __init__(self, ledger: Ledger) -> None:
        """Read the ledger. Raises: RecipeError where nothing was judged yet."""
        self.ledger = ledger
        verdicts = ledger.table("judge", VERDICTS, _COLUMNS)
        if verdicts is None:
            raise RecipeError(
                f"the build of {ledger.recipe} must have verdicts to review, got none; try: pairwright build RECIPE "
                "--until judge"
            )
        positives = ledger.table("synthesise", POSITIVES, POSITIVES.names)
        self._positives = positives.to_pandas() if positives is not None else pd.DataFrame(columns=POSITIVES.names)
        self.queries: dict[str, str] = dict(zip(self._positives["query_id"], self._positives["query"], strict=True))
        by_query = self._positives.groupby("query_id")["domain"].min()
        found = verdicts.to_pandas()
        self.candidates = found.assign(domain=found["query_id"].map(by_query).fillna(UNKNOWN_DOMAIN))

    @cached_property
    def positives(self) -> pd.DataFrame:
        """The positives that are trained on."""
        return self._positives[self._positives["drop_reason"].isna()]

    @cached_property
    def domains(self) -> dict[str, str]:
        """The domain of each query."""
        return dict(zip(self.candidates["query_id"], self.candidates["domain"], strict=True))

    def positives_of(self, queries: Iterable[str]) -> dict[str, list[str]]:
        """Return the documents that are known to answer each query, those that are trained on first."""
        rows = self._positives[self._positives["query_id"].isin(set(queries))]
        ordered = rows.assign(is_dropped=rows["drop_reason"].notna()).sort_values(["query_id", "is_dropped", "doc_id"])
        return {str(query): list(group["doc_id"]) for query, group in ordered.groupby("query_id")}

    def texts(self, ids: Iterable[str]) -> dict[str, Text]:
        """Return the texts of documents, and of negatives that a language model wrote."""
        wanted = set(ids)
        stage = next((each for each in _HOLD_ALL if self.ledger.has(each, DOCUMENTS)), "")
        columns = ("doc_id", "title", "text", "path", "line")
        found = {
            row["doc_id"]: Text(row["doc_id"], row["title"], row["text"], f"{row['path']}:{row['line']}")
            for row in self._rows(stage, DOCUMENTS, columns, wanted)
        }
        for row in self._rows("synthesise", SYNTHETICS, ("text_id", "text"), wanted - found.keys()):
            found[row["text_id"]] = Text(row["text_id"], "", row["text"], "written by the language model")
        return found

    def _rows(self, stage: str, table: Table, columns: Sequence[str], ids: set[str]) -> list[Row]:
        """Return columns of the rows that have an id in the first of them."""
        wanted = pc.field(columns[0]).isin(pa.array(sorted(ids), pa.string()))
        found = self.ledger.table(stage, table, columns, wanted)
        return [] if found is None else list(found.to_pylist())
