"""Write docs/stages.md: ``python -m tests.docs.stages [WORKSPACE]``.

Prose stands here; what a stage reads, makes and is set by comes from its declaration, the rows from the demo.
Without a workspace the rows stay, and the rest is written anew.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs.runtime.registry import STAGES, load_stage
from jobs.views.ledger import Ledger, Row
from schemas.documents import DOCUMENTS, DOMAINS, DUPLICATES, EVAL_QRELS, EVAL_QUERIES, LEAK, LEAKS
from schemas.mining import CANDIDATES, EMBEDDINGS, SCORES, VERDICTS
from schemas.pairs import POSITIVES, REPLIES, REQUESTS, SYNTHETICS
from schemas.shards import EXAMPLES
from schemas.table import Table

PAGE = Path(__file__).parents[2] / "docs" / "stages.md"
HEAD = """# The stages

A record's way from raw text to a measured model, stage by stage: what each is for, what it reads and makes, which
sections of the recipe decide it, and rows of a real build, that of `make demo`: 5,600 docstrings. The rows follow one
document and one query as far as they go. Long values are cut (`…`), and columns are left out; `schemas/` has all of
them with what they mean.

No stage removes a row: it gives it a `drop_reason`, and the next stage reads the rows that have none.
`pairwright explain ID` tells the same story for any document, query or pair of your build.
"""
PROSE = {
    "ingest": "Reads every source in parallel and makes documents of it; what cannot be read becomes a row of "
    "`rejects` with file, line, reason and raw bytes. Cleaning, cutting into passages and erasing happen "
    "here.",
    "dedupe": "Maps every duplicate to one survivor: exact ones by hash, near ones by MinHash and verified Jaccard, "
    "on request also texts that say the same in other words and runs of sentences that many documents "
    "share. Documents that answer different judged queries stay apart, however alike they are.",
    "holdout": "Cuts an evaluation set from the documents, whole families at a time, and reads the sets from "
    "outside. A held-out document stays in `documents` with the reason `held_out`.",
    "guard": "Finds the documents that overlap a protected evaluation set: the same text, nearly the same, or one "
    "that holds the other. They are not trained on.",
    "bucket": "Gives every kept document one domain; small domains join their parent, in the end "
    "their source. A batch holds one domain.",
    "pair": "Makes positives, pairs of a query and a document that answers it, from titles, links and judgements, "
    "and says of each why it is not fit to train on, if it is not. "
    "What people judged is dropped for no form.",
    "index": "Embeds the documents with the model that mines, and indexes their words with Lucene.",
    "synthesise": "Has a language model write queries and hard negatives, shown pairs as examples; gates "
    "drop what is copied, too short, or does not find its own document again.",
    "mine": "Searches candidates for hard negatives, for every query with every retriever.",
    "label": "Measures every pair of query and candidate by every signal, and has a teacher score the hardest: a "
    "cross-encoder that is trained where there is gold enough and held-out gold says that it helps, or that is named.",
    "judge": "Turns the signals into one probability that a candidate is an answer nobody judged (a false "
    "negative), and decides: kept as a negative, vetoed, promoted to a positive, dropped. This table is "
    "the ledger.",
    "assemble": "Makes examples, and plans which meet in a batch: one domain, no query, document or duplicate twice, "
    "no known answer of one row among the others.",
    "publish": "Writes batches as Parquet shards with a manifest and a card, has them audited, and points `CURRENT` "
    "at the new version.",
    "train1": "Trains on pairs, with the other documents of the batch as negatives.",
    "train2": "Goes on from stage 1 with mined negatives.",
    "evaluate": "Measures every model on every evaluation set, per domain, with paired bootstrap intervals.",
}


def describe_stage(name: str) -> str:
    """Return the head of a stage's section: what it is for, reads, makes, and is set by."""
    stage = load_stage(name)
    reads = [f"`{each if isinstance(each, str) else each.name}` of {made_by}" for each, made_by in stage.inputs.items()]
    makes = [f"`{table.name}`" for table in stage.outputs] + [f"`{each}/`" for each in stage.artefacts]
    lines = [
        f"## {name}",
        "",
        textwrap.fill(PROSE[name], 120),
        "",
        f"- reads: {', '.join(reads) or 'the sources of the recipe'}",
        f"- makes: {', '.join(makes)}",
        f"- set by: {', '.join(f'`{each}`' for each in stage.settings) or 'nothing of its own'}",
    ]
    return "\n".join(lines) + "\n"


class Story:
    """One query with a kept and a vetoed candidate, and the document that answers it."""

    def __init__(self, workspace: Path) -> None:
        self.ledger = Ledger(workspace)
        self.fingerprints = self.ledger.stages
        verdicts = [row for row in self.ledger.rows("judge", VERDICTS) if not row["is_positive"]]
        asked = {row["query_id"] for row in verdicts if row["verdict"] == "kept"}
        asked &= {row["query_id"] for row in verdicts if row["verdict"] == "vetoed" and row["teacher"] is not None}
        planned = [
            row for row in self.ledger.rows("assemble", EXAMPLES) if row["stage"] == 2 and not row["drop_reason"]
        ]
        self.example = min((row for row in planned if row["query_id"] in asked), key=lambda row: row["example_id"])
        self.query, self.doc = self.example["query_id"], self.example["positive_id"]
        self.verdicts = sorted((row for row in verdicts if row["query_id"] == self.query), key=lambda row: row["rank"])

    def of(self, stage: str, table: Table, **equal: str) -> list[Row]:
        return self.ledger.rows(stage, table, **equal)

    def first(self, stage: str, table: Table, most: int = 1, **where: Any) -> list[Row]:
        """Return the first rows by key that have the given values; None stands for null."""
        rows = [row for row in self.of(stage, table) if all(row[name] == value for name, value in where.items())]
        return sorted(rows, key=lambda row: [str(row[name]) for name in table.key])[:most]

    def file(self, stage: str, name: str) -> Path:
        return self.ledger.store.fetch(stage, self.fingerprints[stage], name)


Shown = tuple[str, Table, Sequence[Row], Sequence[str]]


def show_tables(story: Story, stage: str) -> Iterator[Shown]:
    """Yield what a stage's section shows: a caption, the table, its rows and their columns."""
    document = ("doc_id", "source", "path", "line", "native_id", "title", "text", "family", "domain", "drop_reason")
    short = ("doc_id", "native_id", "title", "drop_reason")
    pair = ("query_id", "doc_id", "dense", "positive_sim", "teacher")
    if stage == "ingest":
        yield "a docstring as a document", DOCUMENTS, story.of(stage, DOCUMENTS, doc_id=story.doc), document
    elif stage == "dedupe":
        twin = story.first(stage, DUPLICATES, kind="near")
        yield "a near-duplicate", DUPLICATES, twin, DUPLICATES.names
        yield "the document that it is", DOCUMENTS, story.of(stage, DOCUMENTS, doc_id=twin[0]["doc_id"]), short
        yield "its survivor", DOCUMENTS, story.of(stage, DOCUMENTS, doc_id=twin[0]["survivor_id"]), short
    elif stage == "holdout":
        query = story.first(stage, EVAL_QUERIES)
        yield "a query that is measured", EVAL_QUERIES, query, EVAL_QUERIES.names
        judged = story.of(stage, EVAL_QRELS, query_id=query[0]["query_id"])
        yield "its answer", EVAL_QRELS, judged, EVAL_QRELS.names
        yield "kept out", DOCUMENTS, story.of(stage, DOCUMENTS, doc_id=judged[0]["doc_id"]), short
    elif stage == "guard":
        cut = {row["doc_id"] for row in story.of(stage, DOCUMENTS, drop_reason=LEAK)}
        leak = [row for row in story.first(stage, LEAKS, most=1000) if row["doc_id"] in cut][:1]
        yield "an overlap", LEAKS, leak, LEAKS.names
        if leak:
            yield "the document that it cuts", DOCUMENTS, story.of(stage, DOCUMENTS, doc_id=leak[0]["doc_id"]), short
    elif stage == "bucket":
        yield "the domain of the document", DOMAINS, story.of(stage, DOMAINS, doc_id=story.doc), DOMAINS.names
    elif stage == "pair":
        yield "pairs of the query", POSITIVES, story.of(stage, POSITIVES, query_id=story.query), POSITIVES.names
        dropped = [row for row in story.of(stage, POSITIVES) if row["drop_reason"]]
        each = {row["drop_reason"]: row for row in sorted(dropped, key=lambda row: (row["query_id"], row["doc_id"]))}
        yield "pairs that are not fit", POSITIVES, list(each.values())[:3], POSITIVES.names
    elif stage == "index":
        yield "the document's vector", EMBEDDINGS, story.of(stage, EMBEDDINGS, doc_id=story.doc), EMBEDDINGS.names
    elif stage == "synthesise":
        for written in (*story.first(stage, SYNTHETICS, drop_reason=None, kind="query"), *_dropped(story, stage)):
            found = {"request_id": written["request_id"]}
            yield "what was asked", REQUESTS, story.of(stage, REQUESTS, **found), ("request_id", "kind", "doc_id")
            yield "what came back", REPLIES, story.of(stage, REPLIES, **found), ("request_id", "reply", "finish_reason")
            columns = ("request_id", "text", "round_trip_rank", "drop_reason")
            yield "what became of it", SYNTHETICS, story.of(stage, SYNTHETICS, **found), columns
    elif stage == "mine":
        found_by = story.of(stage, CANDIDATES, query_id=story.query)
        best = sorted(found_by, key=lambda row: (row["rank"], row["retriever"]))[:6]
        yield "the first hits of the query", CANDIDATES, best, CANDIDATES.names
    elif stage == "label":
        of_query = {row["doc_id"]: row for row in story.of(stage, SCORES, query_id=story.query)}
        chosen = [story.doc, *(row["doc_id"] for row in story.verdicts[:2])]
        yield "the answer, then candidates", SCORES, [of_query[doc] for doc in chosen if doc in of_query], pair
    elif stage == "judge":
        columns = (*pair[:3], "fn_probability", "threshold", "verdict", "rank", "drop_reason")
        kinds = {(row["verdict"], row["drop_reason"]): row for row in reversed(story.verdicts)}
        shown = sorted(kinds.values(), key=lambda row: str(row["drop_reason"]))
        yield "one candidate of each fate", VERDICTS, shown, columns
    elif stage == "assemble":
        columns = ("stage", "domain", "rule", "query", "positive", "negatives", "negative_fn", "batch", "position")
        yield "the query as an example of stage 2", EXAMPLES, [story.example], columns


def _dropped(story: Story, stage: str) -> list[Row]:
    rows = [row for row in story.of(stage, SYNTHETICS) if row["drop_reason"]]
    return sorted(rows, key=lambda row: str(row["request_id"]))[:1]


def show_files(story: Story, stage: str) -> Iterator[tuple[str, str]]:
    """Yield what a section shows of files: a caption and some JSON."""
    if stage not in story.fingerprints:
        return
    if stage == "publish":
        named = json.loads((story.file(stage, "dataset") / "dataset.json").read_text())
        home = story.ledger.store.workspace / "datasets" / named["name"] / named["version"]
        names = sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
        yield f"the files of version {named['version']}", "\n".join(names)
    elif stage in ("train1", "train2"):
        yield "the last step", (story.file(stage, "model") / "training.jsonl").read_text().splitlines()[-1]
    elif stage == "evaluate":
        found = json.loads((story.file(stage, "evaluation") / "evaluation.json").read_text())
        means = {
            system: {name: each["all"] for name, each in sets.items()} for system, sets in found["systems"].items()
        }
        yield "means over all queries", "\n".join(json.dumps({system: sets}) for system, sets in means.items())


def write_page(workspace: Path) -> str:
    """Return the page."""
    story, parts = Story(workspace), [HEAD]
    for stage in STAGES:
        parts.append(describe_stage(stage))
        for caption, table, rows, columns in show_tables(story, stage):
            lines = [json.dumps({name: shorten(row[name]) for name in columns}, ensure_ascii=False) for row in rows]
            if lines:
                parts.append(f"`{table.name}`, {caption}:\n\n```json\n" + "\n".join(lines) + "\n```\n")
        for caption, text in show_files(story, stage):
            parts.append(f"{caption[0].upper()}{caption[1:]}:\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def shorten(value: Any, width: int = 110) -> Any:
    """Return a value that fits a line: texts and lists are cut."""
    if isinstance(value, str):
        line = " ".join(value.split())
        return line if len(line) <= width else f"{line[:width]}…"
    if isinstance(value, list):
        return [*(shorten(each, width // 2) for each in value[:3]), *(["…"] if len(value) > 3 else [])]
    return round(value, 4) if isinstance(value, float) else value


def renew_heads(page: str) -> str:
    """Return the page with its head and the heads of its sections as they are declared now."""
    heads = "|".join(map(re.escape, STAGES))
    rows = dict(re.findall(rf"^## ({heads})\n.*?\n- set by: [^\n]*\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    kept = {stage: f"\n{found.strip()}\n" for stage, found in rows.items() if found.strip()}
    return "\n".join([HEAD, *(describe_stage(stage) + kept.get(stage, "") for stage in STAGES)])


if __name__ == "__main__":
    PAGE.write_text(write_page(Path(sys.argv[1])) if sys.argv[1:] else renew_heads(PAGE.read_text(encoding="utf-8")))
