"""What differs between two builds of a recipe: rows that count now and did not, or did and do not, and why.

A row counts when its drop_reason is null. A document is the same when its id is, and that hashes its text: a document
whose text changed is another one at the same place (source, path, and its own id or line), counted once as changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
NEW, GONE, TEXT = "new", "gone from the sources", "text changed"
NOT_AGAIN, NOT_WRITTEN = "not found again", "not written again"
SAMPLES = 5


def compare_documents(before: DataFrame, after: DataFrame) -> DataFrame:
    """Return (change, why, key) of every document that differs.

    In:   DOCUMENTS of both builds, whole.
    Out:  key is the doc_id; a changed document stands under the id that it has now.
    """
    old, new = (frame.select("doc_id", "drop_reason", place_column().alias("place")) for frame in (before, after))
    found = _outer(old, new, ["doc_id"], ["place"]).withColumn("place", F.coalesce("place_after", "place_before"))
    both = (
        found.where(F.col("change").isin(ADDED, REMOVED))
        .groupBy("place")
        .agg((F.count_distinct("change") == 2).alias("is_both"))
    )
    joined = found.join(both, "place", how="left")
    is_changed = F.col("is_both") & F.col("change").isin(ADDED, REMOVED)
    is_shown = ~F.coalesce(is_changed, F.lit(False)) | (F.col("change") == ADDED)
    gone = F.coalesce("drop_reason_after", F.lit(GONE))
    return joined.where(F.col("change").isNotNull() & is_shown).select(
        F.when(is_changed, CHANGED).otherwise(F.col("change")).alias("change"),
        F.when(is_changed, TEXT).when(F.col("change") == REMOVED, gone).otherwise(_why_added()).alias("why"),
        F.col("doc_id").alias("key"),
    )


def compare_pairs(
    before: DataFrame,
    after: DataFrame,
    documents: tuple[DataFrame, DataFrame],
    facts: Sequence[str] = (),
) -> DataFrame:
    """Return (change, why, key) of every (query, document) pair that differs.

    In:   (query_id, doc_id, drop_reason, *facts) of both builds, and their DOCUMENTS, whole. What is no document was
          written by the language model.
    Out:  key is query_id:doc_id; changed: it counts in both, and one of ``facts`` differs, named in why.
    """
    found = _outer(before, after, ["query_id", "doc_id"], facts)
    fate = _fates(*documents)
    lost = (
        F.when(F.col("fate").isNull(), NOT_WRITTEN)
        .when(F.col("fate") == TEXT, TEXT)
        .when(F.col("fate") != "", F.concat(F.lit("document "), "fate"))
        .otherwise(NOT_AGAIN)
    )
    came = F.when(F.col("drop_reason_before").isNull() & F.col("is_again"), TEXT).otherwise(_why_added())
    gone = F.coalesce(F.col("drop_reason_after"), lost)
    other = F.concat_ws(", ", *[F.when(~_same(name), F.lit(name)) for name in facts])
    return (
        found.join(fate, "doc_id", how="left")
        .where(F.col("change").isNotNull())
        .select(
            "change",
            F.when(F.col("change") == REMOVED, gone)
            .when(F.col("change") == CHANGED, other)
            .otherwise(came)
            .alias("why"),
            F.concat_ws(":", "query_id", "doc_id").alias("key"),
        )
    )


def _fates(before: DataFrame, after: DataFrame) -> DataFrame:
    """Return what became of each document: its drop_reason, "" where it is kept, TEXT or GONE where the id is gone.

    In:   DOCUMENTS of both builds, whole.
    Out:  doc_id, fate, is_again (the id is new, and its place held another text before).
    """
    old, new = (frame.select("doc_id", "drop_reason", place_column().alias("place")) for frame in (before, after))
    places_now, places_then = (
        side.select("place").distinct().withColumn(name, F.lit(True)) for side, name in ((new, "stays"), (old, "stood"))
    )
    gone = old.join(new.select("doc_id"), "doc_id", how="left_anti").join(places_now, "place", how="left")
    lost = F.when(F.col("stays"), TEXT).otherwise(GONE)
    came = new.join(old.select("doc_id", F.lit(True).alias("known")), "doc_id", how="left")
    came = came.join(places_then, "place", how="left")
    is_again = F.coalesce(F.col("known").isNull() & F.col("stood"), F.lit(False))
    now = came.select("doc_id", F.coalesce("drop_reason", F.lit("")).alias("fate"), is_again.alias("is_again"))
    return now.unionByName(gone.select("doc_id", lost.alias("fate"), F.lit(False).alias("is_again")))


def place_column() -> Column:
    """Return where a document lies: the same before and after its text changed."""
    return F.concat_ws("\t", "source", "path", F.coalesce("native_id", F.col("line").cast("string")))


def count_changes(changes: DataFrame) -> DataFrame:
    """Return (change, why, count, samples) of (change, why, key) rows; the samples are the smallest keys."""
    order = Window.partitionBy("change", "why").orderBy("key")
    numbered = changes.withColumn("nth", F.row_number().over(order))
    shown = F.when(F.col("nth") <= SAMPLES, F.col("key"))
    return numbered.groupBy("change", "why").agg(
        F.count("*").alias("count"), F.sort_array(F.collect_list(shown)).alias("samples")
    )


def _outer(before: DataFrame, after: DataFrame, keys: Sequence[str], facts: Sequence[str]) -> DataFrame:
    """Join both sides and say what became of each row: added, removed, changed, or null."""

    def side(frame: DataFrame, name: str) -> DataFrame:
        columns = [F.col(each).alias(f"{each}_{name}") for each in ("drop_reason", *facts)]
        return frame.select(*keys, *columns, F.col("drop_reason").isNull().alias(f"kept_{name}"))

    joined = side(before, "before").join(side(after, "after"), list(keys), how="full")
    was, is_now = (F.coalesce(f"kept_{name}", F.lit(False)) for name in ("before", "after"))
    differs = F.lit(False)
    for name in facts:
        differs = differs | ~_same(name)
    change = F.when(was & ~is_now, REMOVED).when(~was & is_now, ADDED).when(was & is_now & differs, CHANGED)
    return joined.withColumn("change", change)


def _same(fact: str) -> Column:
    return F.col(f"{fact}_before").eqNullSafe(F.col(f"{fact}_after"))


def _why_added() -> Column:
    return F.coalesce(F.concat(F.lit("no longer "), "drop_reason_before"), F.lit(NEW))
