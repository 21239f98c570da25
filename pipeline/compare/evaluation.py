"""What differs between the evaluation sets of two builds: documents, queries and judgements that came, went or changed.

A document is known by its place (source, path, and its own id or line), or by its id in a set from outside; its text is
what may change. A judgement is a query and the place of a document. Any difference means that the scores of the two
builds stand on different sets.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.compare.changes import ADDED, CHANGED, GONE, NEW, REMOVED, TEXT, place_column
from schemas.documents import HELD_OUT

GRADE, NOT_ASKED, NOT_JUDGED = "another grade", "no longer asked", "no longer judged"
TRAINED_ON = "trained on now"


@dataclass(frozen=True)
class EvaluationSets:
    """The tables of one build that say what is measured; DOCUMENTS tell where the held-out ones come from."""

    documents: DataFrame
    corpus: DataFrame
    queries: DataFrame
    qrels: DataFrame


def compare_evaluation(before: EvaluationSets, after: EvaluationSets) -> dict[str, DataFrame]:
    """Return (change, why, key) of every document, query and judgement that differs.

    Out:  by what it is; the key is the one that it has now, or had.
    """
    now = after.documents.select(F.col("doc_id").alias("id"), F.coalesce("drop_reason", F.lit(TRAINED_ON)).alias("now"))
    documents = _compare(_documents(before), _documents(after)).join(now, "id", how="left")
    fate = F.coalesce("now", F.lit(GONE))
    return {
        "documents": _explain(documents, TEXT, fate),
        "queries": _explain(_compare(_queries(before), _queries(after)), TEXT, F.lit(NOT_ASKED)),
        "judgements": _explain(
            _compare(_judgements(before), _judgements(after)),
            F.when(F.col("other_before").eqNullSafe(F.col("other_after")), GRADE).otherwise(TEXT),
            F.lit(NOT_JUDGED),
        ),
    }


def _places(sets: EvaluationSets) -> DataFrame:
    """Return (doc_id, place) of the held-out documents."""
    return sets.documents.where(F.col("drop_reason") == HELD_OUT).select("doc_id", place_column().alias("place"))


def _documents(sets: EvaluationSets) -> DataFrame:
    """Return (key, id, fact, other) of the documents of all sets: the key is the place, the fact the text."""
    found = sets.corpus.join(_places(sets), "doc_id", how="left").withColumn(
        "key", F.concat_ws("\t", "eval_name", F.coalesce("place", "doc_id"))
    )
    text = F.concat_ws(",", F.sort_array(F.collect_set(F.sha2("text", 256))))  # of several at one place, all
    return found.groupBy("key").agg(F.min("doc_id").alias("id"), text.alias("fact"), F.lit("").alias("other"))


def _queries(sets: EvaluationSets) -> DataFrame:
    key = F.concat_ws("\t", "eval_name", "query_id").alias("key")
    return sets.queries.select(
        key, F.col("query_id").alias("id"), F.col("query").alias("fact"), F.lit("").alias("other")
    )


def _judgements(sets: EvaluationSets) -> DataFrame:
    """Return (key, id, fact, other): the fact is grade and document, the other one the document alone."""
    found = sets.qrels.join(_places(sets), "doc_id", how="left").withColumn(
        "key", F.concat_ws("\t", "eval_name", "query_id", F.coalesce("place", "doc_id"))
    )
    grades = F.concat_ws(",", F.sort_array(F.collect_set(F.concat_ws(":", "doc_id", "relevance"))))
    return found.groupBy("key").agg(
        F.min(F.concat_ws(":", "query_id", "doc_id")).alias("id"),
        grades.alias("fact"),
        F.concat_ws(",", F.sort_array(F.collect_set("doc_id"))).alias("other"),
    )


def _compare(before: DataFrame, after: DataFrame) -> DataFrame:
    """Return (change, id, other_before, other_after) of the keys of either side that differ."""
    sides = [
        frame.select("key", *[F.col(name).alias(f"{name}_{side}") for name in ("id", "fact", "other")])
        for side, frame in (("before", before), ("after", after))
    ]
    change = (
        F.when(F.col("id_before").isNull(), ADDED)
        .when(F.col("id_after").isNull(), REMOVED)
        .when(F.col("fact_before") != F.col("fact_after"), CHANGED)
    )
    joined = sides[0].join(sides[1], "key", how="full").withColumn("change", change)
    named = joined.withColumn("id", F.coalesce("id_after", "id_before"))
    return named.where(F.col("change").isNotNull()).select("change", "id", "other_before", "other_after")


def _explain(found: DataFrame, changed: str | Column, removed: Column) -> DataFrame:
    why = F.when(F.col("change") == ADDED, NEW).when(F.col("change") == REMOVED, removed).otherwise(changed)
    return found.select("change", why.alias("why"), F.col("id").alias("key"))
