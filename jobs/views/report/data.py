"""What the report shows, read from the manifests and tables of one build: bounded, with pyarrow, without Spark.

Samples are the rows with the smallest ids. Ids are hashes, so that is a fair draw, and the same one in every report of
the same build. Text columns are read only for the rows that are shown.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.dataset as ds

from jobs.runtime.registry import STAGES
from jobs.runtime.workspace import Workspace
from jobs.store.layout import DOCS, DOCS_INDEX
from schemas.documents import DOCUMENTS, DUPLICATES, REJECTS
from schemas.errors import ShardError
from schemas.mining import VERDICTS
from schemas.pairs import SYNTHETICS
from schemas.shards import EXAMPLES

BINS = 20
_CLUSTERS, _TWINS, _EXAMPLES, _A_REASON = 5, 4, 8, 2
Row = dict[str, Any]


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
    docs: str | None = None

    def notes(self, stage: str) -> dict[str, Any]:
        """Return what a stage noted; empty when it was not built."""
        return next((facts.notes for facts in self.stages if facts.name == stage), {})

    def reasons(self, stage: str, table: str) -> dict[str, int]:
        """Return a table's counts by drop_reason; empty when it was not built."""
        tables = next((facts.tables for facts in self.stages if facts.name == stage), {})
        return dict(tables.get(table, {}).get("reasons", {}))


def load_report(workspace: Workspace) -> ReportData:
    """Read a build, whatever of it is complete."""
    data = ReportData(workspace.recipe.name, seed=workspace.recipe.seed)
    for name in STAGES:
        manifest = workspace.manifest(name)
        if manifest is not None:
            data.stages.append(
                StageFacts(
                    name,
                    float(manifest.get("seconds", 0)),
                    float(manifest.get("peak_mb", 0)),
                    manifest["outputs"],
                    manifest.get("notes", {}),
                )
            )
    data.version = data.notes("publish").get("version")
    places = Places(workspace)
    data.duplicates = _duplicates(places)
    data.rejects = places.sample("ingest", REJECTS.name, 6, order=("source", "path", "line"), drop=("raw",))
    _add_verdicts(data, places)
    data.synthetics = _synthetics(places)
    data.examples = _examples(places)
    data.training = {name: log for name in ("train1", "train2") if (log := _training(places, name))}
    data.evaluation = _evaluation(places)
    if (workspace.logs / DOCS / DOCS_INDEX).is_file():
        data.docs = f"{DOCS}/{DOCS_INDEX}"
    return data


class Places:
    """The outputs of one build; one that is not there has no rows."""

    def __init__(self, workspace: Workspace) -> None:
        """Look up nothing yet."""
        self.workspace = workspace

    def path(self, stage: str, name: str) -> Path | None:
        """Return an output's directory, or None. It is shown, not trained on: checksums are not read again."""
        manifest = self.workspace.manifest(stage)
        if manifest is None or name not in manifest["outputs"]:
            return None
        return self.workspace.store.fetch(stage, self.workspace.fingerprint(stage), name)

    def dataset(self, stage: str, table: str) -> Any:
        """Return a table as a pyarrow dataset, or None."""
        path = self.path(stage, table)
        return None if path is None or not any(path.glob("*.parquet")) else ds.dataset(path, format="parquet")

    def batches(self, stage: str, table: str, columns: Sequence[str], where: Any = None) -> Iterator[Any]:
        """Yield record batches of some columns."""
        found = self.dataset(stage, table)
        yield from () if found is None else found.to_batches(columns=list(columns), filter=where)

    def sample(
        self, stage: str, table: str, size: int, order: Sequence[str], where: Any = None, drop: Sequence[str] = ()
    ) -> list[Row]:
        """Return the whole rows whose ``order`` columns are smallest."""
        keys = heapq.nsmallest(
            size,
            (
                tuple(row[name] for name in order)
                for batch in self.batches(stage, table, order, where)
                for row in batch.to_pylist()
            ),
        )
        if not keys:
            return []
        found = self.dataset(stage, table)
        chosen = pc.field(order[0]).isin(sorted({key[0] for key in keys}))
        columns = [name for name in found.schema.names if name not in drop]
        rows = found.to_table(columns=columns, filter=chosen if where is None else chosen & where).to_pylist()
        by_key = {tuple(row[name] for name in order): row for row in rows}
        return [by_key[key] for key in keys]

    def texts(self, ids: Iterable[str]) -> dict[str, Row]:
        """Return documents by id, with title and text."""
        found, wanted = self.dataset("ingest", DOCUMENTS.name), sorted(set(ids))
        if found is None or not wanted:
            return {}
        columns = ["doc_id", "source", "path", "line", "title", "text"]
        rows = found.to_table(columns=columns, filter=pc.field("doc_id").isin(wanted)).to_pylist()
        return {row["doc_id"]: row for row in rows}


def _duplicates(places: Places) -> list[tuple[Row, list[Row]]]:
    """Return the clusters with the smallest survivor ids among the largest, each with some of its members."""
    sizes: dict[str, int] = {}
    for batch in places.batches("dedupe", DUPLICATES.name, ["survivor_id"], pc.field("kind") == "near"):
        for entry in pc.value_counts(batch.column(0)).to_pylist():
            sizes[entry["values"]] = sizes.get(entry["values"], 0) + int(entry["counts"])
    chosen = heapq.nsmallest(_CLUSTERS, sizes, key=lambda survivor: (-min(sizes[survivor], _TWINS), survivor))
    found = places.dataset("dedupe", DUPLICATES.name)
    rows = found.to_table(filter=pc.field("survivor_id").isin(chosen)).to_pylist() if chosen else []
    texts = places.texts([*chosen, *(row["doc_id"] for row in rows)])
    clusters = []
    for survivor in chosen:
        members = sorted((row for row in rows if row["survivor_id"] == survivor), key=lambda row: row["doc_id"])
        shown = [{**texts.get(row["doc_id"], {}), **row} for row in members[:_TWINS]]
        clusters.append(({**texts.get(survivor, {"doc_id": survivor}), "members": len(members)}, shown))
    return clusters


def _add_verdicts(data: ReportData, places: Places) -> None:
    """Count the candidates' hardness and risk before and after judging."""
    edges = np.linspace(0, 1, BINS + 1)
    counts = {name: np.zeros((2, BINS), dtype=np.int64) for name in ("dense", "fn_probability")}
    low, high, seen = np.inf, -np.inf, 0
    columns = [*counts, "threshold", "drop_reason"]
    for batch in places.batches("judge", VERDICTS.name, columns, ~pc.field("is_positive")):
        is_kept = batch.column("drop_reason").is_null()
        for name, (before, after) in counts.items():
            before += _histogram(batch.column(name), edges)
            after += _histogram(batch.column(name).filter(is_kept), edges)
        threshold = _numbers(batch.column("threshold"))
        seen += len(threshold)
        low, high = min(low, *threshold), max(high, *threshold)
    if seen:
        data.thresholds = float(low), float(high)
        data.hardness, data.fn_probability = (
            Histogram(edges.tolist(), before.tolist(), after.tolist()) for before, after in counts.values()
        )


def _numbers(column: Any) -> npt.NDArray[np.float64]:
    return column.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)  # type: ignore[no-any-return]


def _histogram(column: Any, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.histogram(np.clip(_numbers(column), 0, 1), bins=edges)[0].astype(np.int64)


def _synthetics(places: Places) -> dict[tuple[str, str], list[Row]]:
    """Return some written texts for every kind and reason."""
    shown: dict[tuple[str, str], list[Row]] = {}
    found = places.dataset("synthesise", SYNTHETICS.name)
    if found is None:
        return shown
    groups = found.to_table(columns=["kind", "drop_reason"]).group_by(["kind", "drop_reason"]).aggregate([])
    for group in sorted(groups.to_pylist(), key=lambda row: (row["kind"], row["drop_reason"] or "")):
        reason = pc.field("drop_reason")
        same = reason.is_null() if group["drop_reason"] is None else reason == group["drop_reason"]
        where = same & (pc.field("kind") == group["kind"])
        shown[group["kind"], group["drop_reason"] or "kept"] = places.sample(
            "synthesise", SYNTHETICS.name, _A_REASON, ("request_id",), where
        )
    return shown


def _examples(places: Places) -> list[Row]:
    """Return some planned examples of stage 2 (of stage 1 where there are none), each with its query's verdicts."""
    for stage in (2, 1):
        where = (pc.field("stage") == stage) & pc.field("drop_reason").is_null()
        rows = places.sample("assemble", EXAMPLES.name, _EXAMPLES, ("example_id",), where)
        if rows:
            break
    asked = sorted({row["query_id"] for row in rows})
    found = places.dataset("judge", VERDICTS.name)
    verdicts = [] if found is None or not asked else found.to_table(filter=pc.field("query_id").isin(asked)).to_pylist()
    vetoed = [row for row in verdicts if row["verdict"] in ("vetoed", "relabelled") and not row["is_positive"]]
    texts = places.texts(row["doc_id"] for row in vetoed)
    for row in rows:
        mine = sorted(
            (v for v in vetoed if v["query_id"] == row["query_id"]),
            key=lambda v: (-(v["fn_probability"] or 0), v["doc_id"]),
        )
        row["vetoed"] = [{**texts.get(v["doc_id"], {}), **v} for v in mine[:2]]
        row["verdicts"] = {v["doc_id"]: v for v in verdicts if v["query_id"] == row["query_id"]}
    return rows


def _training(places: Places, stage: str) -> list[Row]:
    path = places.path(stage, "model")
    log = None if path is None else path / "training.jsonl"
    if log is None or not log.is_file():
        return []
    with log.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def _evaluation(places: Places) -> dict[str, Any] | None:
    path = places.path("evaluate", "evaluation")
    file = None if path is None else path / "evaluation.json"
    if file is None or not file.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ShardError(f"{file} is damaged ({error}); try building the stage evaluate again") from error
    return found
