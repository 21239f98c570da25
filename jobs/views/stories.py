"""The story of one document, query, pair, written text or example: where it came from, what was decided, and why."""

from __future__ import annotations

from jobs.store.reviews import read_reviews
from jobs.views.ledger import Ledger, Row
from schemas.documents import (
    ANNOTATIONS,
    DOCUMENTS,
    DOMAINS,
    DUPLICATES,
    EVAL_QRELS,
    EVAL_QUERIES,
    GUESSES,
    LEAKS,
    PASSAGES,
    REPEATS,
)
from schemas.mining import CANDIDATES, VERDICTS
from schemas.pairs import CONTEXTS, POSITIVES, REPLIES, REQUESTS, SYNTHETICS
from schemas.reasons import setting_of
from schemas.reviews import content_key, standing_reviews
from schemas.shards import EXAMPLES
from schemas.table import Table

_WIDTH, _NEGATIVES_SHOWN, _PASSAGES_SHOWN = 300, 12, 8


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}..."


def tell_document(ledger: Ledger, doc_id: str) -> str | None:
    """Return what became of a document, stage by stage; None when there is none of that id."""
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
        f"  {stage:<9} {_with_setting(reason, DOCUMENTS, row['source'])}"
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
    lines += [
        f"  measured  answers query {each['query_id']} of the set {each['eval_name']}"
        for each in ledger.rows("holdout", EVAL_QRELS, doc_id=doc_id)
    ]
    lines += [f"  domain    {each['domain']}" for each in ledger.rows("bucket", DOMAINS, doc_id=doc_id)]
    lines += [
        f"  guessed   {each['guess']} ({each['confidence']:.3f})"
        for each in ledger.rows("bucket", GUESSES, doc_id=doc_id)
    ]
    lines += [
        f"  positive  of {each['query_id']} by rule {each['rule']}: {_with_setting(each['drop_reason'], POSITIVES)}"
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


def _with_setting(reason: str | None, table: Table, source: str = "<name>") -> str:
    """Return a reason with the setting that makes it."""
    setting = setting_of(reason or "", table.name).replace("<name>", source)
    return f"{reason} ({setting})" if setting else reason or "kept"


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
        + (f"; not used: {_with_setting(each['drop_reason'], CONTEXTS)}" if each["drop_reason"] else "")
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


def tell_query(ledger: Ledger, query_id: str) -> str | None:
    """Return a query's positives and its candidates in the ledger; None when there is none of that id."""
    positives = ledger.rows("synthesise", POSITIVES, query_id=query_id)
    if not positives:
        return None
    lines = [f"query {query_id}", f"  text      {_short(positives[0]['query'])}"]
    lines += [
        f"  positive  {each['doc_id']} by rule {each['rule']}: {_with_setting(each['drop_reason'], POSITIVES)}"
        for each in positives
    ]
    for each in ledger.rows("synthesise", SYNTHETICS, text_id=query_id):
        lines.append(
            f"  written   by the LLM, request {each['request_id']}: {_with_setting(each['drop_reason'], SYNTHETICS)}"
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


def tell_measured(ledger: Ledger, query_id: str) -> str | None:
    """Return which evaluation sets ask a query, and what answers it; None when none does."""
    lines: list[str] = []
    for asked in ledger.rows("holdout", EVAL_QUERIES, query_id=query_id):
        lines += [
            f"evaluation query {query_id} of the set {asked['eval_name']}",
            f"  text      {_short(asked['query'])}",
        ]
        judged = ledger.rows("holdout", EVAL_QRELS, query_id=query_id, eval_name=asked["eval_name"])
        lines += [f"  answer    {each['doc_id']}, grade {each['relevance']}" for each in judged[:_NEGATIVES_SHOWN]]
    return "\n".join(lines) or None


def _chance(row: Row) -> str:
    return "" if row["fn_probability"] is None else f"  P(false negative) {row['fn_probability']:.3f}"


def tell_pair(ledger: Ledger, query_id: str, doc_id: str) -> str:
    """Return how a candidate of a query was found, measured and judged."""
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
    signals = {name: row[name] for name in ("dense", "positive_sim", "teacher") if row[name] is not None}
    lines.append("  signals   " + ", ".join(f"{name} {value:.4f}" for name, value in signals.items()))
    lines.append(
        f"  judged    {row['verdict']}"
        + (f", {_with_setting(row['drop_reason'], VERDICTS)}" if row["drop_reason"] else "")
        + f"{_chance(row)} (vetoed above {row['threshold']:.3f})"
    )
    pair = content_key(query[0]["query"] if query else ""), content_key(text)
    lines += [
        f"  reviewed  {each.answer} by {each.reviewer}, {each.at[:10]}" + (f": {_short(each.why)}" if each.why else "")
        for each in standing_reviews(read_reviews(ledger.store))
        if each.pair == pair
    ]
    return "\n".join(lines)


def tell_request(ledger: Ledger, what: str) -> str | None:
    """Return what the language model was asked, answered, and what became of it; None when nothing was."""
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
        f"  decided   {_with_setting(row['drop_reason'], SYNTHETICS)}",
    ]
    lines += [
        f"  reply     {_short(repr(each['reply']))} (finish {each['finish_reason']}, model {each['model'][:12]})"
        for each in reply
    ]
    lines += [f"  prompt    ...{_short(each['prompt'][-_WIDTH:])}" for each in asked]
    return "\n".join(lines)


def tell_example(ledger: Ledger, what: str) -> str | None:
    """Return which batches an example is in; None when there is none of that id."""
    rows = ledger.rows("assemble", EXAMPLES, example_id=what)
    if not rows:
        return None
    lines = [
        f"example {what}: query {rows[0]['query_id']}, positive {rows[0]['positive_id']}, domain {rows[0]['domain']}"
    ]
    lines += [
        f"  stage {each['stage']}   "
        + (
            f"dropped: {_with_setting(each['drop_reason'], EXAMPLES)}"
            if each["drop_reason"]
            else f"batch {each['batch']}, place {each['position']}, {len(each['negative_ids'])} negatives"
        )
        for each in rows
    ]
    return "\n".join(lines)
