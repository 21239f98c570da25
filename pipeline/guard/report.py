"""The guard's report: what was protected, what was cut and why, under checksums that anybody can recompute.

The checksum of a set of rows is the SHA-256 of the SHA-256 of each row, in hexadecimal, sorted, a line each; a row is
its columns as JSON. It depends on the rows alone, not on files, partitions or order.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.guard.config import DOCUMENT, QUERY
from schemas.documents import LEAKS


def checksum_rows(columns: Sequence[str]) -> Column:
    """Return the aggregate that gives the checksum of a group of rows. Cost: 65 bytes a row, in one task a group."""
    row = F.sha2(F.to_json(F.struct(*columns), {"ignoreNullFields": "false"}), 256)
    return F.sha2(F.array_join(F.array_sort(F.collect_list(row)), "\n"), 256)


def describe_protected(protected: DataFrame) -> DataFrame:
    """Say what each evaluation set protects.

    In:   ``protected_texts``.
    Out:  eval_name, documents, queries, sha256 (of eval_id, role, text); by name.
    """
    counts = [
        F.count_if(F.col("role") == role).alias(name) for role, name in ((DOCUMENT, "documents"), (QUERY, "queries"))
    ]
    checksum = checksum_rows(["eval_id", "role", "text"]).alias("sha256")
    return protected.groupBy("eval_name").agg(*counts, checksum).orderBy("eval_name")


def describe_leaks(leaks: DataFrame) -> DataFrame:
    """Say how many documents overlap each evaluation set, in what way, and how far at least.

    In:   LEAKS.
    Out:  eval_name, kind, documents, least (overlap), sha256 (of the rows of LEAKS); by name and kind.
    """
    told = [F.count_distinct("doc_id").alias("documents"), F.min("overlap").alias("least")]
    checksum = checksum_rows(LEAKS.names).alias("sha256")
    return leaks.groupBy("eval_name", "kind").agg(*told, checksum).orderBy("eval_name", "kind")
