"""Great Expectations over a finished dataset: what is published passes a checkpoint, or is not published.

The checkpoint reads the files that were written, not the tables they came from, as Spark frames of ids and lengths, so
its memory does not grow with the texts. Nothing leaves the machine: the context is ephemeral, analytics and progress
bars are off.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from pipeline.audit import AuditConfig, Drift
from pipeline.contract import spark_schema
from schemas.errors import AuditError
from schemas.shards import PAIR_TASK, SHARDS, TRIPLET_TASK

SAMPLES = 5
DRIFT = "drift since the last version"


@dataclass(frozen=True)
class Suite:
    """What is expected of one frame; ``keys`` name a row in the error."""

    name: str
    keys: tuple[str, ...]
    frame: DataFrame
    expectations: Sequence[Any]


def audit_dataset(spark: SparkSession, home: Path, rows: Mapping[int, int], homogeneous: Mapping[int, bool],
                  drift: Sequence[Drift] = (), limits: AuditConfig | None = None) -> int:
    """Check the shards below ``home`` and return how many expectations held.

    ``rows`` says how many rows each stage must have, ``homogeneous`` which stages hold one domain a batch, ``drift``
    what differs from the last published version, ``limits`` by how much it may.
    Raises: AuditError that names each failed expectation, with keys of some rows that broke it.
    """
    import great_expectations.expectations as gxe

    shards = _read_shards(spark, home, rows)
    examples = _examples(shards).cache()
    batches = _batches(shards).cache()
    within = gxe.ExpectColumnValuesToBeBetween
    try:
        return run_checkpoint([
            Suite("examples", ("stage", "example_id"), examples, [
                gxe.ExpectTableRowCountToBeBetween(min_value=1),
                gxe.ExpectTableRowCountToEqual(value=sum(rows.values())),
                gxe.ExpectCompoundColumnsToBeUnique(column_list=["stage", "example_id"]),
                gxe.ExpectCompoundColumnsToBeUnique(column_list=["stage", "batch", "position"]),
                gxe.ExpectColumnValuesToBeNull(column="null_columns"),
                gxe.ExpectColumnValuesToBeInSet(column="task", value_set=[PAIR_TASK, TRIPLET_TASK]),
                within(column="query_chars", min_value=1),
                within(column="positive_chars", min_value=1),
                within(column="shortest_negative_chars", min_value=1),
                within(column="unmatched_negatives", min_value=0, max_value=0),
                within(column="known_negatives", min_value=0, max_value=0),
            ]),
            Suite("batches", ("stage", "batch"), batches, [
                within(column="repeated_queries", min_value=0, max_value=0),
                within(column="repeated_documents", min_value=0, max_value=0),
                within(column="known_among_others", min_value=0, max_value=0),
                within(column="tasks", min_value=1, max_value=1),
                *[within(column=f"domains_of_stage{stage}", max_value=1) for stage, one in homogeneous.items() if one],
            ]),
            *([_drift_suite(spark, drift, limits)] if drift and limits else ()),
        ])
    finally:
        examples.unpersist()
        batches.unpersist()


def _drift_suite(spark: SparkSession, drift: Sequence[Drift], limits: AuditConfig) -> Suite:
    """Expect of every measure that it stays within its limit: a column for each limit, a row for each measure."""
    import great_expectations.expectations as gxe

    names = sorted({each.limit for each in drift})
    shape = "of string, before double, now double, " + ", ".join(f"{name} double" for name in names)
    rows = [(each.of, float(each.before), float(each.now), *(each.amount if each.limit == name else None
                                                             for name in names)) for each in drift]
    return Suite(DRIFT, ("of", "before", "now"), spark.createDataFrame(rows, shape), [
        gxe.ExpectColumnValuesToBeBetween(column=name, max_value=getattr(limits, name)) for name in names])


def _read_shards(spark: SparkSession, home: Path, rows: Mapping[int, int]) -> DataFrame:
    """Return the shards of all stages with a column ``stage``."""
    frame = spark.createDataFrame([], schema=spark_schema(SHARDS)).withColumn("stage", F.lit(0))
    for stage, count in rows.items():
        if count:
            found = spark.read.parquet(str(home / f"stage{stage}")).select(*SHARDS.names)
            frame = frame.unionByName(found.withColumn("stage", F.lit(stage)))
    return frame


def _examples(shards: DataFrame) -> DataFrame:
    """Return one row per example: ids, lengths, and counts that must be zero."""
    nulls = [F.when(F.col(c.name).isNull(), F.lit(c.name)) for c in SHARDS.columns if not c.nullable]
    missing = F.concat_ws(",", *nulls)
    lengths = F.transform("negatives", lambda text: F.length(F.trim(text)))
    sizes = [F.size(name) for name in ("negatives", "negative_fn", "negative_teacher")]
    odd = sum((F.abs(size - F.size("negative_ids")) for size in sizes), F.lit(0))
    return shards.select(
        "stage", "batch", "position", "example_id", "task",
        F.when(missing != "", missing).alias("null_columns"),
        F.length(F.trim("query")).alias("query_chars"), F.length(F.trim("positive")).alias("positive_chars"),
        F.array_min(lengths).alias("shortest_negative_chars"), odd.alias("unmatched_negatives"),
        F.size(F.array_intersect("negative_ids", "known_ids")).alias("known_negatives"),
    )


def _batches(shards: DataFrame) -> DataFrame:
    """Return one row per batch: what repeats in it, and how many tasks and domains it holds."""
    standing = F.array_distinct(F.concat(F.array("positive_id"), F.col("negative_ids")))
    documents = F.flatten(F.collect_list(standing))
    grouped = shards.groupBy("stage", "batch").agg(
        (F.count("*") - F.count_distinct("query_id")).alias("repeated_queries"),
        (F.size(documents) - F.size(F.array_distinct(documents))).alias("repeated_documents"),
        F.count_distinct("task").alias("tasks"), F.count_distinct("domain").alias("domains"),
    )
    by_stage = {f"domains_of_stage{n}": F.when(F.col("stage") == n, F.col("domains")) for n in (1, 2)}
    known = F.coalesce("known", F.lit(0))
    joined = grouped.join(_known_among_others(shards, standing), ["stage", "batch"], how="left")
    return joined.withColumns({**by_stage, "known_among_others": known})


def _known_among_others(shards: DataFrame, standing: Column) -> DataFrame:
    """Return (stage, batch, known): how often a row's known document stands in another row of its batch."""
    place = ("stage", "batch")
    documents = shards.select(*place, "position", F.explode(standing).alias("doc_id"))
    known = shards.select(*place, F.col("position").alias("other"), F.explode("known_ids").alias("doc_id"))
    met = documents.join(known, [*place, "doc_id"], how="inner").where(F.col("position") != F.col("other"))
    return met.groupBy(*place).agg(F.count("*").alias("known"))


def run_checkpoint(suites: Sequence[Suite]) -> int:
    """Run all suites as one checkpoint and return how many expectations held.

    Raises: AuditError that names every expectation that did not.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    faults: list[str] = []
    held = 0
    for suite in suites:
        context = gx.get_context(mode="ephemeral")
        context.enable_analytics(enable=False)
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_spark(name="dataset", persist=False)
        whole = source.add_dataframe_asset(name=suite.name).add_batch_definition_whole_dataframe(name="whole")
        expected = context.suites.add(gx.ExpectationSuite(name=suite.name, expectations=list(suite.expectations)))
        checked = context.validation_definitions.add(
            gx.ValidationDefinition(name=suite.name, data=whole, suite=expected))
        checkpoint = context.checkpoints.add(gx.Checkpoint(
            name=suite.name, validation_definitions=[checked],
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": SAMPLES,
                           "unexpected_index_column_names": list(suite.keys)}))
        outcome = checkpoint.run(batch_parameters={"dataframe": suite.frame})
        for validation in outcome.run_results.values():
            held += sum(bool(result.success) for result in validation.results)
            faults += [_fault(suite, result) for result in validation.results if not result.success]
    if any(fault.startswith(DRIFT) for fault in faults):
        faults.append("where that is meant, try a higher limit under audit in the recipe, or audit.compare: false")
    if faults:
        raise AuditError("; ".join(faults))
    return held


def _fault(suite: Suite, result: Any) -> str:
    """Return one line: which expectation, of which column, broken how, by which rows."""
    config, found = result.expectation_config, result.result or {}
    column = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list", ())) or "rows"
    text = f"{suite.name} must satisfy {config.type} ({column})"
    if "unexpected_count" not in found:
        seen = found.get("observed_value", "an error: " + _exception(result))
        return f"{text}, got {seen}"
    sample = [
        " ".join(f"{key}={row[key]}" for key in suite.keys if key in row)
        for row in found.get("partial_unexpected_index_list") or ()
    ]
    values = found.get("partial_unexpected_list") or []
    shown = "; ".join(sample[:SAMPLES]) or str(values[:SAMPLES])
    value = f" (value {str(values[0])[:80]})" if values else ""
    return f"{text}, got {found['unexpected_count']} rows that do not, e.g. {shown}{value}"


def _exception(result: Any) -> str:
    return str((result.exception_info or {}).get("exception_message", "no result"))[:200]
