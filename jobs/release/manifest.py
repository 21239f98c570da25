"""What a dataset version says of itself; the digest of that is its name. It holds no clock and no machine path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.encoder import encoder_files, encoder_prefixes
from jobs.release.versions import name_version
from jobs.runtime import registry
from jobs.runtime.stage import Run
from jobs.store.tables import Store
from pipeline.compare.drift import describe_examples, describe_verdicts, statistics
from pipeline.contract import kept
from pipeline.locations import is_uri
from pipeline.recipe import Recipe
from schemas.documents import DOCUMENTS
from schemas.mining import VERDICTS
from schemas.pairs import REPLIES

_LICENCES = 100  # rows of the table of sources and licences


def describe_version(
    run: Run, examples: DataFrame, shards: list[dict[str, Any]], evals: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what the version says of itself, its name among it."""
    recipe = run.recipe
    body = {
        "name": recipe.name,
        "format": 1,
        "seed": recipe.seed,
        "recipe": describe_recipe(recipe),
        "files": [*evals, *shards],
        "rows": _row_counts(examples),
        "sources": _sources(run.read(DOCUMENTS)),
        "funnel": _funnel(run),
        "models": _models(run),
        "prompts": _prompts(recipe),
        "statistics": _statistics(run, examples),
    }
    return {**body, "version": name_version(body)}


def describe_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return the sections of the recipe that the stages before publish read: what decides the data, in its order."""
    read: set[str] = set()
    for stage in map(registry.load_stage, registry.stages_until("publish")[:-1]):
        read.update(stage.settings, stage.conditional_sections)
    return {name: _without_places(recipe.section(name)) for name in type(recipe).model_fields if name in read}


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
    for name in registry.stages_until("publish")[:-1]:
        manifest = store.manifest(name, run.fingerprint_of(name))
        outputs = manifest["outputs"] if manifest else {}
        found[name] = {table: dict(facts["reasons"]) for table, facts in outputs.items() if "reasons" in facts}
    return {name: tables for name, tables in found.items() if tables}


def _models(run: Run) -> dict[str, Any]:
    """Return the digests of the models that decided what is in the dataset."""
    return {
        "encoder": encoder_files(run.recipe)["encoder"],
        "teacher": _distinct(run.source_of(VERDICTS), "teacher_model"),
        "writer": _distinct(run.source_of(REPLIES), "model"),
    }


def _prompts(recipe: Recipe) -> dict[str, str]:
    """Return what the encoder put before a query and a document: the recipe's words, else its model's own."""
    query, document = encoder_prefixes(recipe)
    return {"query": query, "document": document}


def _distinct(path: Path, column: str) -> list[str]:
    """Return the values of a column with few of them, read a batch at a time."""
    found: set[str] = set()
    for batch in ds.dataset(path, format="parquet").to_batches(columns=[column]):
        found.update(value for value in batch.column(0).unique().to_pylist() if value)
    return sorted(found)
