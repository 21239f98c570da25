"""What the report shows, read from the manifests and tables of one build: whatever is there, and nothing that is not.

Samples are the rows with the smallest ids. Ids are hashes, so that is a fair draw, and the same one in every report of
the same build. Text columns are read only for the rows that are shown. What cannot be read is said in its section: a
report never decides what becomes of a build.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from jobs.runtime.registry import STAGES
from jobs.runtime.workspace import Workspace
from jobs.store.layout import DOCS, DOCS_INDEX
from jobs.store.reviews import read_reviews
from jobs.views.report.outputs import Outputs, Row
from schemas.documents import DUPLICATES, REJECTS
from schemas.mining import VERDICTS
from schemas.pairs import SYNTHETICS
from schemas.reviews import ANSWERS, standing_reviews
from schemas.shards import EXAMPLES

BINS = 20
_CLUSTERS, _TWINS, _EXAMPLES, _A_REASON = 5, 4, 8, 2


@dataclass(frozen=True)
class StageFacts:
    """One stage of the build, from its manifest."""

    name: str
    seconds: float
    peak_mb: float
    tables: dict[str, dict[str, Any]]
    notes: dict[str, Any]


@dataclass(frozen=True)
class Histogram:
    """Counts of two sets of values over the same bins."""

    edges: list[float]
    before: list[int]
    after: list[int]


@dataclass
class ReportData:
    """Everything the report shows; what is None or empty was not built."""

    name: str
    version: str | None = None
    seed: int = 0
    stages: list[StageFacts] = field(default_factory=list)
    duplicates: list[tuple[Row, list[Row]]] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    hardness: Histogram | None = None
    fn_probability: Histogram | None = None
    thresholds: tuple[float, float] | None = None
    synthetics: dict[tuple[str, str], list[Row]] = field(default_factory=dict)
    examples: list[Row] = field(default_factory=list)
    training: dict[str, list[Row]] = field(default_factory=dict)
    evaluation: dict[str, Any] | None = None
    reviews: str = ""
    docs: str | None = None
    faults: dict[str, str] = field(default_factory=dict)  # by section: why it cannot be shown

    def has(self, stage: str) -> bool:
        """Return whether a stage was built, whatever it left."""
        return any(facts.name == stage for facts in self.stages)

    def notes(self, stage: str) -> dict[str, Any]:
        """Return what a stage noted; empty when it was not built."""
        return next((facts.notes for facts in self.stages if facts.name == stage), {})

    def reasons(self, stage: str, table: str) -> dict[str, int]:
        """Return a table's counts by drop_reason; empty when it was not built."""
        tables = next((facts.tables for facts in self.stages if facts.name == stage), {})
        return dict(tables.get(table, {}).get("reasons", {}))


def load_report(workspace: Workspace) -> ReportData:
    """Read a build, whatever of it is complete and can be read."""
    data, outputs = ReportData(workspace.recipe.name, seed=workspace.recipe.seed), Outputs(workspace)
    for name in STAGES:
        manifest = workspace.manifest(name)
        if manifest is not None:
            seconds, peak = float(manifest.get("seconds", 0)), float(manifest.get("peak_mb", 0))
            data.stages.append(StageFacts(name, seconds, peak, manifest["outputs"], manifest.get("notes", {})))
    data.version = data.notes("publish").get("version")
    if (workspace.logs / DOCS / DOCS_INDEX).is_file():
        data.docs = f"{DOCS}/{DOCS_INDEX}"
    for section, load in _LOADERS.items():
        try:
            load(data, outputs)
        except Exception as fault:  # noqa: BLE001  whatever it is, the other sections are shown
            data.faults[section] = explain_fault(fault)
    return data


def explain_fault(fault: Exception) -> str:
    """Return a fault on one line."""
    return f"{type(fault).__name__}: {' '.join(str(fault).split())[:300]}"


def _load_duplicates(data: ReportData, outputs: Outputs) -> None:
    """Take the clusters with the smallest survivor ids among the largest, each with some of its members."""
    sizes: dict[str, int] = {}
    for batch in outputs.batches("dedupe", DUPLICATES.name, ["survivor_id"], pc.field("kind") == "near"):
        for entry in pc.value_counts(batch.column(0)).to_pylist():
            sizes[entry["values"]] = sizes.get(entry["values"], 0) + int(entry["counts"])
    chosen = heapq.nsmallest(_CLUSTERS, sizes, key=lambda survivor: (-min(sizes[survivor], _TWINS), survivor))
    if not chosen:
        return
    near = (pc.field("kind") == "near") & pc.field("survivor_id").isin(chosen)
    rows = outputs.dataset("dedupe", DUPLICATES.name).to_table(filter=near).to_pylist()
    texts = outputs.find_documents([*chosen, *(row["doc_id"] for row in rows)])
    for survivor in chosen:
        members = sorted((row for row in rows if row["survivor_id"] == survivor), key=lambda row: row["doc_id"])
        shown = [{**texts.get(row["doc_id"], {}), **row} for row in members[:_TWINS]]
        data.duplicates.append(({**texts.get(survivor, {"doc_id": survivor}), "members": len(members)}, shown))


def _load_rejects(data: ReportData, outputs: Outputs) -> None:
    data.rejects = outputs.sample("ingest", REJECTS.name, 6, order=("source", "path", "line"), drop=("raw",))


def _load_verdicts(data: ReportData, outputs: Outputs) -> None:
    """Count the candidates' hardness and risk before and after judging."""
    edges = np.linspace(0, 1, BINS + 1)
    counts = {name: np.zeros((2, BINS), dtype=np.int64) for name in ("dense", "fn_probability")}
    thresholds: set[float] = set()
    columns = [*counts, "threshold", "drop_reason"]
    for batch in outputs.batches("judge", VERDICTS.name, columns, ~pc.field("is_positive")):
        is_kept = batch.column("drop_reason").is_null()
        for name, (before, after) in counts.items():
            before += _histogram(batch.column(name), edges)
            after += _histogram(batch.column(name).filter(is_kept), edges)
        ends = pc.min_max(batch.column("threshold")).as_py()  # of a batch without rows: nulls
        thresholds |= {float(end) for end in ends.values() if end is not None}
    if counts["dense"].any():
        data.thresholds = (min(thresholds), max(thresholds)) if thresholds else None
        data.hardness, data.fn_probability = (
            Histogram(edges.tolist(), before.tolist(), after.tolist()) for before, after in counts.values()
        )


def _histogram(column: Any, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    values = column.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
    return np.histogram(np.clip(values, 0, 1), bins=edges)[0].astype(np.int64)


def _load_synthetics(data: ReportData, outputs: Outputs) -> None:
    """Take some written texts for every kind and reason."""
    found = outputs.dataset("synthesise", SYNTHETICS.name)
    if found is None:
        return
    groups = found.to_table(columns=["kind", "drop_reason"]).group_by(["kind", "drop_reason"]).aggregate([])
    for group in sorted(groups.to_pylist(), key=lambda row: (row["kind"], row["drop_reason"] or "")):
        reason = pc.field("drop_reason")
        same = reason.is_null() if group["drop_reason"] is None else reason == group["drop_reason"]
        where = same & (pc.field("kind") == group["kind"])
        rows = outputs.sample("synthesise", SYNTHETICS.name, _A_REASON, ("request_id",), where)
        data.synthetics[group["kind"], group["drop_reason"] or "kept"] = rows


def _load_examples(data: ReportData, outputs: Outputs) -> None:
    """Take some planned examples of stage 2 (of stage 1 where there are none), each with its query's verdicts."""
    rows: list[Row] = []
    for stage in (2, 1):
        where = (pc.field("stage") == stage) & pc.field("drop_reason").is_null()
        rows = rows or outputs.sample("assemble", EXAMPLES.name, _EXAMPLES, ("example_id",), where)
    found, asked = outputs.dataset("judge", VERDICTS.name), sorted({row["query_id"] for row in rows})
    verdicts = [] if found is None or not asked else found.to_table(filter=pc.field("query_id").isin(asked)).to_pylist()
    vetoed = [row for row in verdicts if row["verdict"] in ("vetoed", "relabelled") and not row["is_positive"]]
    shown = [doc for row in rows for doc in (row["positive_id"], *row["negative_ids"])]
    documents = outputs.find_documents([*shown, *(row["doc_id"] for row in vetoed)])
    for row in rows:
        mine = sorted(
            (each for each in vetoed if each["query_id"] == row["query_id"]),
            key=lambda each: (-(each["fn_probability"] or 0), each["doc_id"]),
        )
        row["vetoed"] = [{**documents.get(each["doc_id"], {}), **each} for each in mine[:2]]
        row["verdicts"] = {each["doc_id"]: each for each in verdicts if each["query_id"] == row["query_id"]}
        row["documents"] = documents
    data.examples = rows


def _load_training(data: ReportData, outputs: Outputs) -> None:
    for stage in ("train1", "train2"):
        path = outputs.path(stage, "model")
        if path is not None and (path / "training.jsonl").is_file():
            lines = (path / "training.jsonl").read_text(encoding="utf-8").splitlines()
            data.training[stage] = [json.loads(line) for line in lines if line.strip()]


def _load_evaluation(data: ReportData, outputs: Outputs) -> None:
    path = outputs.path("evaluate", "evaluation")
    if path is not None and (path / "evaluation.json").is_file():
        data.evaluation = json.loads((path / "evaluation.json").read_text(encoding="utf-8"))


def _load_reviews(data: ReportData, outputs: Outputs) -> None:
    """Count the answers of reviewers that stand."""
    standing = standing_reviews(read_reviews(outputs.workspace.store))
    if standing:
        counts = Counter(each.answer for each in standing)
        told = ", ".join(f"{counts[answer]:,} {answer}" for answer in ANSWERS)
        pairs, reviewers = len({each.pair for each in standing}), len({each.reviewer for each in standing})
        data.reviews = f"Reviewed so far: {pairs:,} pairs, by {reviewers:,} (answers: {told})."


# By the section that shows what is read.
_LOADERS: dict[str, Callable[[ReportData, Outputs], None]] = {
    "duplicates": _load_duplicates,
    "rejects": _load_rejects,
    "negatives": _load_verdicts,
    "judge": _load_reviews,
    "synthesis": _load_synthetics,
    "examples": _load_examples,
    "training": _load_training,
    "evaluation": _load_evaluation,
}
