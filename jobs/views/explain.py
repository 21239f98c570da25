"""Find what a person means, and tell its story: a document, query, pair, written text or example of the latest build.

A person may give an id of ours, the id that the source itself gives, a path as they see it (with ``:LINE``), a title,
or the text of a query. The answer says which of these it was; where several things are meant, it lists them. Reads the
tables with pyarrow: no Spark, an answer in about a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from jobs.views.ledger import Ledger, Row
from jobs.views.stories import tell_document, tell_example, tell_measured, tell_pair, tell_query, tell_request
from schemas.documents import DOCUMENTS, EVAL_QUERIES, JUDGEMENTS
from schemas.errors import RecipeError
from schemas.mining import VERDICTS
from schemas.pairs import POSITIVES

_SHOWN = 10
_TELLERS: dict[str, Callable[[Ledger, str], str | None]] = {
    "id of a document": tell_document,
    "id of a query": tell_query,
    "id of an evaluation query": tell_measured,
    "id of a request to the language model, or of what it wrote": tell_request,
    "id of an example": tell_example,
}


@dataclass(frozen=True)
class Match:
    """Something that a person may mean: what they gave, its id, and how to tell it from others."""

    given: str
    id: str
    about: str


def explain(workspace: Path | str, what: str, recipe_name: str | None = None) -> str:
    """Return the story of what a person means, or the list of what they may mean.

    Raises: RecipeError when the latest build has nothing of the kind.
    """
    ledger = Ledger(workspace, recipe_name)
    left, colon, right = what.partition(":")
    if colon and ledger.rows("judge", VERDICTS, query_id=left, doc_id=right):
        return f"{what} is a query and one of its candidates\n{tell_pair(ledger, left, right)}"
    for kind, tell in _TELLERS.items():
        if story := tell(ledger, what):
            return f"{what} is the {kind}\n{story}"
    matches = list({match.id: match for match in _find_matches(ledger, what)}.values())
    if not matches:
        raise RecipeError(
            f"id must be known to the build of {ledger.recipe}, got {what!r}; try a title, a path as the report shows "
            "it, or an id of the source"
        )
    if len(matches) > 1:
        return _list_matches(what, matches)
    story = next((story for tell in _TELLERS.values() if (story := tell(ledger, matches[0].id))), None)
    return f"{what!r} is {matches[0].given} of {matches[0].id}\n{story or matches[0].about}"


def _list_matches(what: str, matches: list[Match]) -> str:
    lines = [f"  {match.id}  {match.given.rstrip(',')}: {match.about}" for match in matches[:_SHOWN]]
    more = [f"  and {len(matches) - _SHOWN:,} more"] if len(matches) > _SHOWN else []
    head = (
        f"{what!r} means {len(matches):,} things; `explain ID` tells of one, `explain PATH:LINE` of one line of a file"
    )
    return "\n".join([head, *lines, *more])


def _find_matches(ledger: Ledger, what: str) -> Iterator[Match]:
    """Find documents by their own id, path and title, and queries by their own id and text."""
    for row in _documents(ledger, pc.field("native_id") == what):
        yield Match("the id that its source gives", row["doc_id"], _about(row))
    for judged in ledger.rows("ingest", JUDGEMENTS, query_native_id=what):
        for query_id in sorted(
            {row["query_id"] for row in ledger.rows("synthesise", POSITIVES, query=judged["query"])}
        ):
            yield Match("the id that its source gives the query", query_id, judged["query"])
    for row in _documents_at(ledger, what):
        yield Match("the place", row["doc_id"], _about(row))
    plain = " ".join(what.split()).lower()
    for row in _documents(ledger, pc.utf8_lower(pc.field("title")) == plain) if plain else ():
        yield Match("the title", row["doc_id"], _about(row))
    for row in ledger.find("synthesise", POSITIVES, pc.utf8_lower(pc.field("query")) == plain):
        yield Match("the text", row["query_id"], row["query"])
    for row in ledger.find("holdout", EVAL_QUERIES, pc.utf8_lower(pc.field("query")) == plain):
        yield Match("the text, held out for evaluation,", row["query_id"], f"query of the set {row['eval_name']}")


def _documents_at(ledger: Ledger, what: str) -> list[Row]:
    """Return the documents of a file, given as any end of its path or with folders before it, and of its line."""
    stage = _latest(ledger)
    known = ledger.distinct(stage, DOCUMENTS, "path") if stage else set()
    for given, line in ((what, None), *[(m[1], int(m[2])) for m in [re.fullmatch(r"(.+):(\d+)", what)] if m]):
        sought = "/" + given.removeprefix("./").lstrip("/")
        ends = {path for path in known if f"/{path}".endswith(sought) or sought.endswith(f"/{path}")}
        if ends:
            longest = {path for path in ends if sought.endswith(f"/{path}")}
            chosen = {max(longest, key=len)} if longest else ends
            here = pc.field("path").isin(sorted(chosen))
            found = _documents(ledger, here if line is None else here & (pc.field("line") == line))
            return sorted(found, key=lambda row: (row["path"], row["line"], row["doc_id"]))
    return []


def _documents(ledger: Ledger, condition: pc.Expression) -> list[Row]:
    return ledger.find(_latest(ledger), DOCUMENTS, condition)


def _latest(ledger: Ledger) -> str:
    """Return the last stage of the build that has all documents."""
    return next((stage for stage in ("guard", "holdout", "dedupe", "ingest") if ledger.has(stage, DOCUMENTS)), "")


def _about(row: Row) -> str:
    """Return what tells a document from others."""
    own = f", {row['native_id']}" if row["native_id"] else ""
    title = " ".join((row["title"] or row["text"]).split())
    return f"{row['path']}:{row['line']}{own}, {title[:60]}{'...' if len(title) > 60 else ''} (of {row['source']})"
