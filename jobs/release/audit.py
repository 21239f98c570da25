"""Great Expectations over a finished dataset: what is published passes a checkpoint, or is not published.

The checkpoint reads the files that were written, not the tables they came from: first against the contract of
``SHARDS``, then, as frames of ids and lengths, against what a batch must be and against the version published before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contracts.checkpoint import Suite, run_checkpoint
from jobs.contracts.expectations import is_few, list_expectations
from pipeline.compare.config import AuditConfig
from pipeline.compare.drift import Drift
from pipeline.contract import frame_of
from schemas.shards import SHARDS

DRIFT = "drift since the last version"
_FEW = 100_000  # examples, of which a few numbers each are fetched
_MEANT = "where that is meant, try a higher limit under audit in the recipe, or audit.compare: false"


def audit_dataset(
    spark: SparkSession,
    home: Path,
    rows: Mapping[int, int],
    homogeneous: Mapping[int, bool],
    drift: Sequence[Drift],
    limits: AuditConfig,
    docs: Path,
) -> int:
    """Check the shards below ``home``, write Data Docs to ``docs`` and return how many expectations held.

    ``rows`` says how many rows each stage must have, ``homogeneous`` which stages hold one domain a batch, ``drift``
    what differs from the last published version, ``limits`` by how much it may.
    Raises: AuditError that names each failed expectation, with keys of some rows that broke it.
    """
    import great_expectations.expectations as gxe

    shards = _read_shards(spark, home, rows)
    examples, batches = _examples(shards), _batches(shards)
    within = gxe.ExpectColumnValuesToBeBetween
    few = sum(rows.values()) <= _FEW
    if not few:  # read more than once, then
        examples, batches = examples.cache(), batches.cache()
    try:
        return run_checkpoint(
            "publish",
            [
                Suite(
                    "shards",
                    ("stage", *SHARDS.key, "example_id"),
                    shards,
                    list_expectations(SHARDS, within=("stage",)),
                    few=all(is_few(home / f"stage{stage}") for stage in rows),
                ),
                Suite(
                    "examples",
                    ("stage", "example_id"),
                    examples,
                    [
                        gxe.ExpectTableRowCountToBeBetween(min_value=1),
                        gxe.ExpectTableRowCountToEqual(value=sum(rows.values())),
                        gxe.ExpectCompoundColumnsToBeUnique(column_list=["stage", "example_id"]),
                        within(column="query_chars", min_value=1),
                        within(column="positive_chars", min_value=1),
                        within(column="shortest_negative_chars", min_value=1),
                        within(column="unmatched_negatives", min_value=0, max_value=0),
                        within(column="known_negatives", min_value=0, max_value=0),
                    ],
                    few=few,
                ),
                Suite(
                    "batches",
                    ("stage", "batch"),
                    batches,
                    [
                        within(column="repeated_queries", min_value=0, max_value=0),
                        within(column="repeated_documents", min_value=0, max_value=0),
                        within(column="known_among_others", min_value=0, max_value=0),
                        within(column="tasks", min_value=1, max_value=1),
                        *[
                            within(column=f"domains_of_stage{stage}", max_value=1)
                            for stage, one in homogeneous.items()
                            if one
                        ],
                    ],
                    few=few,
                ),
                *([_drift_suite(drift, limits)] if drift else ()),
            ],
            docs,
        )
    finally:
        examples.unpersist()
        batches.unpersist()


def _drift_suite(drift: Sequence[Drift], limits: AuditConfig) -> Suite:
    """Expect of every measure that it stays within its limit: a column for each limit, a row for each measure."""
    import great_expectations.expectations as gxe

    names = sorted({each.limit for each in drift})
    rows = [
        (each.of, float(each.before), float(each.now), *(each.amount if each.limit == name else None for name in names))
        for each in drift
    ]
    frame = pd.DataFrame(rows, columns=["of", "before", "now", *names]).astype(dict.fromkeys(names, "float64"))
    return Suite(
        DRIFT,
        ("of", "before", "now"),
        frame,
        [gxe.ExpectColumnValuesToBeBetween(column=name, max_value=getattr(limits, name)) for name in names],
        _MEANT,
    )


def _read_shards(spark: SparkSession, home: Path, rows: Mapping[int, int]) -> DataFrame:
    """Return the shards of all stages with a column ``stage``."""
    frame = frame_of(spark, SHARDS, []).withColumn("stage", F.lit(0))
    for stage, count in rows.items():
        if count:
            found = spark.read.parquet(str(home / f"stage{stage}")).select(*SHARDS.names)
            frame = frame.unionByName(found.withColumn("stage", F.lit(stage)))
    return frame


def _examples(shards: DataFrame) -> DataFrame:
    """Return one row per example: ids, lengths, and counts that must be zero."""
    lengths = F.transform("negatives", lambda text: F.length(F.trim(text)))
    sizes = [F.size(name) for name in ("negatives", "negative_native_ids", "negative_fn", "negative_teacher")]
    odd = sum((F.abs(size - F.size("negative_ids")) for size in sizes), F.lit(0))
    return shards.select(
        "stage",
        "example_id",
        F.length(F.trim("query")).alias("query_chars"),
        F.length(F.trim("positive")).alias("positive_chars"),
        F.array_min(lengths).alias("shortest_negative_chars"),
        odd.alias("unmatched_negatives"),
        F.size(F.array_intersect("negative_ids", "known_ids")).alias("known_negatives"),
    )


def _batches(shards: DataFrame) -> DataFrame:
    """Return one row per batch: what repeats in it, and how many tasks and domains it holds."""
    standing = F.array_distinct(F.concat(F.array("positive_id"), F.col("negative_ids")))
    documents = F.flatten(F.collect_list(standing))
    grouped = shards.groupBy("stage", "batch").agg(
        (F.count("*") - F.count_distinct("query_id")).alias("repeated_queries"),
        (F.size(documents) - F.size(F.array_distinct(documents))).alias("repeated_documents"),
        F.count_distinct("task").alias("tasks"),
        F.count_distinct("domain").alias("domains"),
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
