"""Publish a dataset version: write, audit, swap.

A version is named by the digest of its contents, so publishing the same content again changes nothing. Files are
written to a hidden sibling of the versions, audited, synced and renamed; only then ``CURRENT`` is replaced, atomically.
Whatever fails on the way leaves ``CURRENT`` and every version as they were.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contracts.checkpoint import FOLDER
from jobs.release.audit import audit_dataset
from jobs.release.croissant import FILE as CROISSANT
from jobs.release.croissant import write_croissant
from jobs.release.dataset_card import write_card
from jobs.release.history import current_version, is_withdrawn, make_current, sync
from jobs.release.shards import write_eval_sets, write_shards
from jobs.runtime.artefacts import DATASET, POINTER
from jobs.runtime.entry import main
from jobs.runtime.registry import stages_until
from jobs.runtime.stage import Run, Stage
from jobs.runtime.workspace import Workspace
from jobs.store.tables import Store, digest_of, directory_digest, file_sha256, write_json
from pipeline.compare.drift import Drift, describe_examples, describe_verdicts, find_drift, statistics
from pipeline.contract import kept
from pipeline.locations import is_uri
from pipeline.recipe import Recipe
from schemas.documents import DOCUMENTS, EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES
from schemas.errors import EngineError, ShardError
from schemas.mining import VERDICTS
from schemas.pairs import REPLIES
from schemas.shards import EXAMPLES

CARD = "README.md"
SECTIONS = (
    "sources",
    "evaluation",
    "dedupe",
    "holdout",
    "guard",
    "bucket",
    "pair",
    "encoder",
    "synthesise",
    "mine",
    "label",
    "judge",
    "assemble",
)
_LICENCES = 100  # rows of the table of sources and licences
_VERSION_DIGITS = 16


def run(run: Run) -> None:
    """Write the files, audit them, and make them the current version."""
    home = run.workspace_dir / "datasets" / run.recipe.name
    partial = home / f".partial-{run.fingerprint_of('publish')}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        examples = run.read(EXAMPLES)
        shards = write_shards(examples, partial)
        evals = write_eval_sets(run.read(EVAL_CORPUS), run.read(EVAL_QUERIES), run.read(EVAL_QRELS), partial)
        rows = {stage: _rows_of(shards, stage) for stage in (1, 2)}
        homogeneous = {stage: run.recipe.assemble.is_homogeneous(stage) for stage in (1, 2)}
        manifest = _manifest(run, examples, shards, evals)
        drift = _drift(run, home, manifest)
        started = time.monotonic()
        held = audit_dataset(run.spark, partial, rows, homogeneous, drift, run.recipe.audit, run.log_dir / FOLDER)
        run.note(expectations=held, audit_seconds=round(time.monotonic() - started, 2))
        write_json(partial / "manifest.json", manifest)
        write_card(partial / CARD, manifest)
        write_croissant(partial / CROISSANT, manifest)
        publish_version(partial, home, manifest["version"], run.fingerprints())
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    write_json(run.artefact(DATASET) / POINTER, {"name": run.recipe.name, "version": manifest["version"]})
    run.note(
        headline=f"{run.recipe.name}@{manifest['version']}, {held} expectations held",
        version=manifest["version"],
        rows={f"stage{stage}": count for stage, count in rows.items()},
    )


def _rows_of(shards: list[dict[str, Any]], stage: int) -> int:
    return sum(int(file["rows"]) for file in shards if file["path"].startswith(f"stage{stage}/"))


def _drift(run: Run, home: Path, manifest: Mapping[str, Any]) -> list[Drift]:
    """Compare with the current version, and note why when there is nothing to compare with."""
    current, cfg = current_version(home), run.recipe.audit
    if current is None or not cfg.compare:
        run.note(baseline="the first version has none" if current is None else "audit.compare is false")
        return []
    try:
        before = json.loads((home / current / "manifest.json").read_text(encoding="utf-8"))
        found = find_drift(before, manifest, cfg)
    except (OSError, ValueError, KeyError) as error:
        run.note(baseline=f"{current} cannot be compared with ({type(error).__name__}: {error})")
        return []
    run.note(baseline=current)
    return found


def publish_version(partial: Path, home: Path, version: str, stages: Mapping[str, str]) -> Path:
    """Move complete files to their version and point ``CURRENT`` at it; a version that is there already stays.

    A version that was rolled back does not become current by itself.

    Raises: EngineError when the file system refuses.
    """
    target = home / version
    try:
        for file in sorted(partial.rglob("*")):
            sync(file)
        if target.exists() and not is_sound(target):
            damaged = home / f".damaged-{version}"
            shutil.rmtree(damaged, ignore_errors=True)
            target.replace(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
        if not target.exists():
            partial.replace(target)
            sync(home)
        if not is_withdrawn(home, version):
            make_current(home, version, stages)
    except OSError as error:
        way_out = "try freeing space, then build again"
        raise EngineError(f"cannot publish to {target}: {error.strerror}; {way_out}") from error
    return target


def is_sound(version: Path) -> bool:
    """Return whether every file of a published version is as its manifest says."""
    try:
        files = json.loads((version / "manifest.json").read_text(encoding="utf-8"))["files"]
        described = all((version / name).is_file() for name in (CARD, CROISSANT))
        return described and all(file_sha256(version / file["path"]) == file["sha256"] for file in files)
    except (OSError, ValueError, KeyError):
        return False


def dataset_of(run: Run) -> Path:
    """Return the directory of the dataset version that the run's input stage ``publish`` made.

    Raises: ShardError when it has been deleted.
    """
    return run.fetch_version(_version_at(run.workspace_dir, run.source_of(DATASET)))


def published_by(workspace: Workspace) -> Path:
    """Return the directory of the version that this build published. Raises: ShardError when it has been deleted."""
    return _version_at(workspace.path, workspace.open_output("publish", DATASET))


def point_current(workspace: Workspace) -> Path:
    """Point ``CURRENT`` at the version that this build published, withdrawn or not, and return its directory."""
    version = published_by(workspace)
    make_current(version.parent, version.name, workspace.fingerprints("publish"))
    return version


def _version_at(workspace: Path, artefact: Path) -> Path:
    pointer = json.loads((artefact / POINTER).read_text(encoding="utf-8"))
    version = workspace / "datasets" / str(pointer["name"]) / str(pointer["version"])
    if not (version / "manifest.json").is_file():
        raise ShardError(f"{version} is missing; try deleting {artefact.parent} and building again")
    return version


def _manifest(
    run: Run, examples: DataFrame, shards: list[dict[str, Any]], evals: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what the version says of itself; its digest is the version's name. Holds no clock and no machine path."""
    recipe = run.recipe
    body = {
        "name": recipe.name,
        "format": 1,
        "seed": recipe.seed,
        "recipe": {name: _without_places(recipe.section(name)) for name in SECTIONS},
        "files": [*evals, *shards],
        "rows": _row_counts(examples),
        "sources": _sources(run.read(DOCUMENTS)),
        "funnel": _funnel(run),
        "models": _models(run),
        "statistics": _statistics(run, examples),
    }
    return {**body, "version": digest_of(body)[:_VERSION_DIGITS]}


def _without_places(value: Any) -> Any:
    """Return recipe data with paths cut to their last part, and without the address of a server."""
    if isinstance(value, Mapping):
        places = {key: Path(each).name for key, each in value.items() if key == "path" and is_uri(str(each))}
        hidden = dict.fromkeys(value.keys() & {"url", "api_key_env"})
        return {key: _without_places(each) for key, each in value.items()} | places | hidden
    if isinstance(value, list | tuple):
        return [_without_places(each) for each in value]
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value  # noqa: PTH117


def _row_counts(examples: DataFrame) -> list[dict[str, Any]]:
    """Return batches and rows by stage, task and domain."""
    keys = ["stage", "task", "domain"]
    counted = (
        kept(examples)
        .groupBy(*keys)
        .agg(
            F.count_distinct("batch").alias("batches"),
            F.count("*").alias("rows"),
            F.sum(F.size("negative_ids")).alias("negatives"),
        )
    )
    return [row.asDict() for row in counted.orderBy(*keys).collect()]


def _statistics(run: Run, examples: DataFrame) -> dict[str, Any]:
    """Return what the next version is compared with."""
    stages = [row.asDict() for row in describe_examples(examples).collect()]
    return statistics(stages, describe_verdicts(run.read(VERDICTS)).collect()[0].asDict())


def _sources(documents: DataFrame) -> list[dict[str, Any]]:
    """Return kept documents by source and licence, most first."""
    counted = (
        kept(documents)
        .groupBy("source", F.coalesce("license", F.lit("not stated")).alias("license"))
        .agg(F.count("*").alias("documents"), F.sum("chars").alias("characters"))
    )
    largest = counted.orderBy(F.desc("documents"), "source", "license").limit(_LICENCES)
    return [row.asDict() for row in largest.collect()]


def _funnel(run: Run) -> dict[str, dict[str, dict[str, int]]]:
    """Return the counts by drop_reason of every table that the stages before this one wrote."""
    store, found = Store(run.workspace_dir), {}
    for name in stages_until("publish")[:-1]:
        manifest = store.manifest(name, run.fingerprint_of(name))
        outputs = manifest["outputs"] if manifest else {}
        found[name] = {table: dict(facts["reasons"]) for table, facts in outputs.items() if "reasons" in facts}
    return {name: tables for name, tables in found.items() if tables}


def _models(run: Run) -> dict[str, Any]:
    """Return the digests of the models that decided what is in the dataset."""
    encoder = run.recipe.model_path(run.recipe.encoder.model)
    return {
        "encoder": directory_digest(encoder),
        "teacher": _distinct(run.source_of(VERDICTS), "teacher_model"),
        "writer": _distinct(run.source_of(REPLIES), "model"),
    }


def _distinct(path: Path, column: str) -> list[str]:
    """Return the values of a column with few of them, read a batch at a time."""
    found: set[str] = set()
    for batch in ds.dataset(path, format="parquet").to_batches(columns=[column]):
        found.update(value for value in batch.column(0).unique().to_pylist() if value)
    return sorted(found)


def _encoder(recipe: Recipe) -> Mapping[str, str]:
    return {"encoder": directory_digest(recipe.model_path(recipe.encoder.model))}


STAGE = Stage(
    name="publish",
    version=2,
    settings=("name", *SECTIONS),
    inputs={
        EXAMPLES: "assemble",
        DOCUMENTS: "guard",
        VERDICTS: "judge",
        REPLIES: "synthesise",
        EVAL_CORPUS: "holdout",
        EVAL_QUERIES: "holdout",
        EVAL_QRELS: "holdout",
    },
    artefacts=(DATASET,),
    run=run,
    external=_encoder,
    is_resumable=False,
)

if __name__ == "__main__":
    main(STAGE)
