"""The story of one document, query, pair or synthetic text: where it came from, what was decided, and why.

Reads the tables of the latest build with pyarrow: no Spark, an answer in about a second.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jobs.views.ledger import Ledger, Row
from schemas.documents import ANNOTATIONS, DOCUMENTS, DOMAINS, DUPLICATES, GUESSES, LEAKS, PASSAGES, REPEATS
from schemas.errors import RecipeError
from schemas.mining import CANDIDATES, VERDICTS
from schemas.pairs import CONTEXTS, POSITIVES, REPLIES, REQUESTS, SYNTHETICS
from schemas.shards import EXAMPLES

_WIDTH, _NEGATIVES_SHOWN, _PASSAGES_SHOWN = 300, 12, 8


def explain(workspace: Path | str, what: str, recipe_name: str | None = None) -> str:
    """Return the story of an id, a QUERY:DOC pair of ids, or a native id. Raises: RecipeError when nothing has it."""
    ledger = Ledger(workspace, recipe_name)
    left, colon, right = what.partition(":")
    if colon and ledger.rows("judge", VERDICTS, query_id=left, doc_id=right):
        return _pair(ledger, left, right)
    tellers: tuple[Callable[[Ledger, str], str | None], ...] = (_document, _native, _query, _request, _example)
    for tell in tellers:
        story = tell(ledger, what)
        if story:
            return story
    raise RecipeError(f"id must be known to the build of {ledger.recipe}, got {what!r}; try an id from the report")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}..."


def _native(ledger: Ledger, what: str) -> str | None:
    found = ledger.rows("guard", DOCUMENTS, native_id=what)
    return "\n\n".join(story for row in found if (story := _document(ledger, row["doc_id"]))) or None


def _document(ledger: Ledger, doc_id: str) -> str | None:
    rows = next(
        (
            found
            for stage in ("guard", "holdout", "dedupe", "ingest")
            if (found := ledger.rows(stage, DOCUMENTS, doc_id=doc_id))
        ),
        [],
    )
    if not rows:
        return None
    row = rows[0]
    lines = [
        f"document {doc_id}",
        f"  from      source {row['source']}, {row['path']} line {row['line']}"
        + (f", {row['native_id']}" if row["native_id"] else ""),
        f"  title     {_short(row['title'])}",
        f"  text      {_short(row['text'])}",
    ]
    lines += _passages(ledger, doc_id)
    lines += [_cleaned(each) for each in ledger.rows("ingest", ANNOTATIONS, doc_id=doc_id)]
    lines += [
        f"  {stage:<9} {reason or 'kept'}"
        for stage in ("ingest", "dedupe", "holdout", "guard")
        for reason in [each["drop_reason"] for each in ledger.rows(stage, DOCUMENTS, doc_id=doc_id)]
    ]
    lines += [
        f"  duplicate of {each['survivor_id']} ({each['kind']}, {_likeness(each)})"
        for each in ledger.rows("dedupe", DUPLICATES, doc_id=doc_id)
    ]
    lines += [
        f"  repeats   what stands in {each['kept_id']}, characters {each['start']} to {each['end']}"
        for each in sorted(ledger.rows("dedupe", REPEATS, doc_id=doc_id), key=lambda each: int(each["start"]))
    ]
    copies = ledger.rows("dedupe", DUPLICATES, survivor_id=doc_id)
    if copies:
        lines.append(f"  stands for {len(copies)} duplicates: {', '.join(each['doc_id'] for each in copies[:5])}")
    lines += [
        f"  leak      overlaps {each['eval_name']}/{each['eval_id']} ({each['kind']}, {each['overlap']:.3f})"
        for each in ledger.rows("guard", LEAKS, doc_id=doc_id)
    ]
    lines += [f"  domain    {each['domain']}" for each in ledger.rows("bucket", DOMAINS, doc_id=doc_id)]
    lines += [
        f"  guessed   {each['guess']} ({each['confidence']:.3f})"
        for each in ledger.rows("bucket", GUESSES, doc_id=doc_id)
    ]
    lines += [
        f"  positive  of {each['query_id']} by rule {each['rule']}: {each['drop_reason'] or 'kept'}"
        f"; {_short(each['query'])}"
        for each in ledger.rows("synthesise", POSITIVES, doc_id=doc_id)
    ]
    verdicts = [each for each in ledger.rows("judge", VERDICTS, doc_id=doc_id) if not each["is_positive"]]
    if verdicts:
        counts: dict[str, int] = {}
        for each in verdicts:
            key = each["drop_reason"] or "kept as a negative"
            counts[key] = counts.get(key, 0) + 1
        lines.append(
            f"  mined     for {len(verdicts)} queries: " + ", ".join(f"{why} {n}" for why, n in sorted(counts.items()))
        )
    return "\n".join(lines)


def _cleaned(found: Row) -> str:
    """Tell what cleaning found out about a document."""
    said = ["repaired"] if found["repaired"] else []
    if found["language"]:
        said.append(f"language {found['language']} ({found['language_score']:.3f})")
    said += [f"breaks {', '.join(found['failed_rules'])}"] if found["failed_rules"] else []
    said += [f"personal data: {', '.join(found['pii'])}"] if found["pii"] else []
    return f"  cleaned   {'; '.join(said) or 'nothing to say'}"


def _likeness(duplicate: Row) -> str:
    named = "cosine" if duplicate["jaccard"] is None else "jaccard"
    return f"{named.capitalize()} {duplicate[named]:.3f}"


def _passages(ledger: Ledger, doc_id: str) -> list[str]:
    """Tell which document a passage was cut from, or which passages a document was cut into."""
    lines = [
        f"  passage   {each['place']} of document {each['parent_id']}, characters {each['start']} to {each['end']},"
        f" {each['tokens']} tokens"
        for each in ledger.rows("ingest", PASSAGES, doc_id=doc_id)
    ]
    lines += [
        f"  context   {_short(each['context'])!r}, written by a model"
        + (f"; not used: {each['drop_reason']}" if each["drop_reason"] else "")
        for each in ledger.rows("ingest", CONTEXTS, doc_id=doc_id)
    ]
    parts = sorted(ledger.rows("ingest", PASSAGES, parent_id=doc_id), key=lambda each: int(each["place"]))
    if parts:
        more = ", ..." if len(parts) > _PASSAGES_SHOWN else ""
        lines.append(
            f"  cut       into {len(parts)} passages: "
            + ", ".join(each["doc_id"] for each in parts[:_PASSAGES_SHOWN])
            + more
        )
    return lines


def _query(ledger: Ledger, query_id: str) -> str | None:
    positives = ledger.rows("synthesise", POSITIVES, query_id=query_id)
    if not positives:
        return None
    lines = [f"query {query_id}", f"  text      {_short(positives[0]['query'])}"]
    lines += [
        f"  positive  {each['doc_id']} by rule {each['rule']}: {each['drop_reason'] or 'kept'}" for each in positives
    ]
    for each in ledger.rows("synthesise", SYNTHETICS, text_id=query_id):
        lines.append(
            f"  written   by the LLM, request {each['request_id']}: {each['drop_reason'] or 'kept'}"
            + (f", its document is hit {each['round_trip_rank']} of its own search" if each["round_trip_rank"] else "")
        )
    verdicts = sorted(
        ledger.rows("judge", VERDICTS, query_id=query_id), key=lambda each: (each["drop_reason"] or "", each["rank"])
    )
    lines.append(f"  ledger    {len(verdicts)} candidates" + (" (QUERY:DOC tells more of one)" if verdicts else ""))
    lines += [
        f"    {query_id}:{each['doc_id']}  {each['verdict']:<10} {each['drop_reason'] or '':<22}"
        f" dense {each['dense']:.3f}"
        f"{_chance(each)}"
        for each in verdicts[:_NEGATIVES_SHOWN]
    ]
    return "\n".join(lines)


def _chance(row: Row) -> str:
    return "" if row["fn_probability"] is None else f"  P(false negative) {row['fn_probability']:.3f}"


def _pair(ledger: Ledger, query_id: str, doc_id: str) -> str:
    row = ledger.rows("judge", VERDICTS, query_id=query_id, doc_id=doc_id)[0]
    query = ledger.rows("synthesise", POSITIVES, query_id=query_id)
    document = ledger.rows("guard", DOCUMENTS, doc_id=doc_id)
    text = (
        document[0]["text"]
        if document
        else ([each["text"] for each in ledger.rows("synthesise", SYNTHETICS, text_id=doc_id)] or [""])[0]
    )
    lines = [
        f"pair {query_id}:{doc_id}",
        f"  query     {_short(query[0]['query']) if query else '?'}",
        f"  document  {_short(text)}",
    ]
    lines += [
        f"  found     by {each['retriever']} at rank {each['rank']}, score {each['score']:.4f}"
        for each in ledger.rows("mine", CANDIDATES, query_id=query_id, doc_id=doc_id)
    ]
    signals = {name: row[name] for name in ("dense", "bm25_score", "positive_sim", "teacher") if row[name] is not None}
    lines.append("  signals   " + ", ".join(f"{name} {value:.4f}" for name, value in signals.items()))
    lines.append(
        f"  judged    {row['verdict']}{', ' + row['drop_reason'] if row['drop_reason'] else ''}{_chance(row)}"
        f" (vetoed above {row['threshold']:.3f})"
    )
    return "\n".join(lines)


def _request(ledger: Ledger, what: str) -> str | None:
    rows = ledger.rows("synthesise", SYNTHETICS, request_id=what) or ledger.rows("synthesise", SYNTHETICS, text_id=what)
    if not rows:
        return None
    row = rows[0]
    asked = ledger.rows("synthesise", REQUESTS, request_id=row["request_id"])
    reply = ledger.rows("synthesise", REPLIES, request_id=row["request_id"])
    lines = [
        f"synthetic {row['kind']} {row['text_id']} (request {row['request_id']})",
        f"  text      {_short(row['text'])}",
        f"  for       document {row['doc_id']}" + (f", against query {row['query_id']}" if row["query_id"] else ""),
        f"  decided   {row['drop_reason'] or 'kept'}",
    ]
    lines += [
        f"  reply     {_short(repr(each['reply']))} (finish {each['finish_reason']}, model {each['model'][:12]})"
        for each in reply
    ]
    lines += [f"  prompt    ...{_short(each['prompt'][-_WIDTH:])}" for each in asked]
    return "\n".join(lines)


def _example(ledger: Ledger, what: str) -> str | None:
    rows = ledger.rows("assemble", EXAMPLES, example_id=what)
    if not rows:
        return None
    lines = [
        f"example {what}: query {rows[0]['query_id']}, positive {rows[0]['positive_id']}, domain {rows[0]['domain']}"
    ]
    lines += [
        f"  stage {each['stage']}   "
        + (
            f"dropped: {each['drop_reason']}"
            if each["drop_reason"]
            else f"batch {each['batch']}, place {each['position']}, {len(each['negative_ids'])} negatives"
        )
        for each in rows
    ]
    return "\n".join(lines)
