"""What a new version changed: documents, pairs, negatives and domains added, removed and changed since the last one.

Compares the tables behind both versions, whole, in Spark; keeps counts by reason and a few ids, never a text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame

from jobs.release.history import Publication
from jobs.runtime.workspace import Workspace
from jobs.store.layout import VERSION_MANIFEST, dataset_folder
from pipeline.compare.changes import ADDED, CHANGED, REMOVED, compare_documents, compare_pairs, count_changes
from pipeline.compare.evaluation import EvaluationSets, compare_evaluation
from pipeline.contract import frame_of, kept, spark_schema
from schemas.documents import DOCUMENTS, EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES
from schemas.errors import ShardError
from schemas.mining import VERDICTS
from schemas.pairs import POSITIVES
from schemas.table import Table

_TABLES: dict[Table, str] = {
    DOCUMENTS: "guard",
    POSITIVES: "synthesise",
    VERDICTS: "judge",
    EVAL_CORPUS: "holdout",
    EVAL_QUERIES: "holdout",
    EVAL_QRELS: "holdout",
}
_MEASURED = {"documents": EVAL_CORPUS, "queries": EVAL_QUERIES, "judgements": EVAL_QRELS}
_KINDS = (ADDED, REMOVED, CHANGED)
_MARKS = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
_WHYS = 4  # reasons shown on the terminal


def diff_versions(place: Workspace, before: Publication | None, after: Publication) -> dict[str, Any]:
    """Return what changed from one version to the other; without an earlier one everything is added."""
    home = dataset_folder(place.path, place.recipe.name)
    stages = dict(before.stages) if before else {}
    note = None
    if before and not all(place.store.manifest(stage, stages.get(stage, "none")) for stage in _TABLES.values()):
        note, stages = f"the tables behind {before.version} are gone, so rows are not compared", {}
    found: dict[str, Any] = {"from": before.version if before else None, "to": after.version, "note": note}
    if note is None:
        found |= _compare_rows(place, stages, dict(after.stages))
    return {**found, **_compare_manifests(home / before.version if before else None, home / after.version)}


def _compare_rows(place: Workspace, before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, Any]:
    old = {table: _read(place, table, before.get(stage)) for table, stage in _TABLES.items()}
    new = {table: _read(place, table, after[stage]) for table, stage in _TABLES.items()}
    documents, facts = (old[DOCUMENTS], new[DOCUMENTS]), ("rule", "grade", "domain")
    pair = ("query_id", "doc_id", "drop_reason")
    pairs, pairs_now = (side[POSITIVES].select(*pair, *facts) for side in (old, new))
    negatives, negatives_now = (side[VERDICTS].where("not is_positive").select(*pair) for side in (old, new))
    sets = [EvaluationSets(*(side[table] for table in (DOCUMENTS, *_MEASURED.values()))) for side in (old, new)]
    measured = {
        what: _describe(old[_MEASURED[what]], new[_MEASURED[what]], changes)
        for what, changes in compare_evaluation(*sets).items()
    }
    return {
        "documents": _describe(kept(documents[0]), kept(documents[1]), compare_documents(*documents)),
        "pairs": _describe(kept(pairs), kept(pairs_now), compare_pairs(pairs, pairs_now, documents, facts)),
        "negatives": _describe(
            kept(negatives), kept(negatives_now), compare_pairs(negatives, negatives_now, documents)
        ),
        "evaluation": measured,
        "scores_compare": not any(each[kind] for each in measured.values() for kind in _KINDS),
    }


def _read(place: Workspace, table: Table, fingerprint: str | None) -> DataFrame:
    if fingerprint is None:
        return frame_of(place.spark(), table, [])
    path = place.store.open(_TABLES[table], fingerprint, table.name)
    return place.spark().read.schema(spark_schema(table)).parquet(str(path))


def _describe(before: DataFrame, after: DataFrame, changes: DataFrame) -> dict[str, Any]:
    """Return how many rows count on both sides, and the changes with their reasons."""
    found: dict[str, Any] = {kind: {} for kind in _KINDS}
    for row in count_changes(changes).collect():
        found[row["change"]][row["why"]] = {"count": row["count"], "samples": row["samples"]}
    return {"before": before.count(), "after": after.count(), **found}


def _compare_manifests(before: Path | None, after: Path) -> dict[str, Any]:
    """Compare what the versions say of themselves: rows a domain, and counts by drop_reason."""
    old, new = (_read_manifest(path) if path else {"rows": [], "funnel": {}} for path in (before, after))
    domains = [_count_by_domain(each["rows"]) for each in (old, new)]
    reasons = [_count_by_reason(each["funnel"]) for each in (old, new)]
    return {"domains": _compare_counts(*domains), "reasons": _compare_counts(*reasons)}


def _read_manifest(version: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((version / VERSION_MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ShardError(f"{version} is damaged ({error}); try deleting it and building again") from error
    return found


def _count_by_domain(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the pairs of stage 1 by domain."""
    found: dict[str, int] = {}
    for row in rows:
        if row["stage"] == 1:
            found[row["domain"]] = found.get(row["domain"], 0) + row["rows"]
    return found


def _count_by_reason(funnel: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, int]:
    return {
        f"{stage}.{table}.{reason}": count
        for stage, tables in funnel.items()
        for table, reasons in tables.items()
        for reason, count in reasons.items()
    }


def _compare_counts(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, Any]:
    names = sorted({*before, *after})
    return {
        ADDED: {name: after[name] for name in names if name not in before},
        REMOVED: {name: before[name] for name in names if name not in after},
        CHANGED: {
            name: [before[name], after[name]]
            for name in names
            if name in before and name in after and before[name] != after[name]
        },
    }


def diff_lines(diff: Mapping[str, Any]) -> list[str]:
    """Return the block for the terminal."""
    lines = [f"changes     {diff['from'] or 'nothing'} -> {diff['to']}"]
    if diff["note"]:
        lines.append(f"  {diff['note']}")
    for what in ("documents", "pairs", "negatives"):
        if what in diff:
            lines += _list_changes(what, diff[what])
    measured = diff.get("evaluation", {})
    for what, found in measured.items():
        lines += _list_changes("evaluation" if found is next(iter(measured.values())) else "", found, f" {what}")
    if diff["from"] and not diff.get("scores_compare", True):
        lines.append("             what is measured changed: scores of the two versions do not compare")
    domains = diff["domains"]
    moved = [
        f"{_MARKS[kind]} {name} ({count:,} pairs)" for kind in (ADDED, REMOVED) for name, count in domains[kind].items()
    ]
    moved += [f"~ {name} ({old:,} -> {new:,} pairs)" for name, (old, new) in domains[CHANGED].items()]
    return [*lines, f"  {'domains':<10} {', '.join(moved) or 'as before'}"]


def _list_changes(head: str, diff: Mapping[str, Any], unit: str = "") -> list[str]:
    sums = {kind: sum(each["count"] for each in diff[kind].values()) for kind in _KINDS}
    counts = "  ".join(f"{_MARKS[kind]}{sums[kind]:,}" for kind in _KINDS)
    lines = [f"  {head:<10} {diff['before']:,} -> {diff['after']:,}{unit}   {counts}"]
    for kind in _KINDS:
        most = sorted(diff[kind].items(), key=lambda each: (-each[1]["count"], each[0]))
        said = [f"{why} {facts['count']:,}" for why, facts in most[:_WHYS]]
        said += [f"{len(most) - _WHYS} more reasons"] if len(most) > _WHYS else []
        if said:
            lines.append(f"  {'':<10} {kind}: {', '.join(said)}")
    return lines
