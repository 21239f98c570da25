"""Training examples: stage 1 are the pairs, stage 2 the pairs with judged negatives."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipeline.assemble.config import AssembleConfig
from pipeline.assemble.native_ids import name_documents, name_queries
from pipeline.contract import conform, kept
from pipeline.ids import hash_column, unit_column
from pipeline.queries import share_positives
from schemas.mining import KEPT, LIKELY_POSITIVE, RELABELLED, VETOED
from schemas.pairs import NEGATIVE
from schemas.shards import EXAMPLES, NO_NEGATIVES, PAIR_TASK, PROMOTED_RULE, SURPLUS_EXAMPLE, TRIPLET_TASK

_UNSCORED = -1.0


def build_examples(
    verdicts: DataFrame,
    positives: DataFrame,
    synthetics: DataFrame,
    documents: DataFrame,
    domains: DataFrame,
    duplicates: DataFrame,
    judgements: DataFrame,
    config: AssembleConfig,
    seed: int,
) -> DataFrame:
    """Make the examples of both stages, not yet in batches.

    In:   VERDICTS, POSITIVES, SYNTHETICS, DOCUMENTS, DOMAINS, DUPLICATES, JUDGEMENTS, whole.
    Out:  EXAMPLES with batch and position null; two rows per kept or promoted pair, one a stage.
    Drops: surplus_example (over a rule's share or over ``positives_per_query``); no_negatives in stage 2.
    Ties: a query's positives by grade, then by hash of the seed; negatives by rank, then doc_id.
    Cost: joins on query_id and doc_id; texts are joined to at most ``negatives`` rows a query.
    """
    texts = _texts(documents, synthetics)
    pairs = _choose_pairs(_pairs(positives, verdicts), config, seed)
    asked = pairs.select("query_id").distinct()
    known = _known_ids(positives, verdicts, duplicates)
    whole = (
        pairs.join(domains.select("doc_id", F.col("domain").alias("bucket")), "doc_id", how="left")
        .join(texts, "doc_id", how="left")
        .join(_teacher_of_pairs(verdicts), ["query_id", "doc_id"], how="left")
        .join(known.join(asked, "query_id", how="left_semi"), "query_id", how="left")
        .join(name_queries(judgements), "query_id", how="left")
    )
    described = whole.select(
        hash_column(F.col("query_id"), F.col("doc_id")).alias("example_id"),
        F.coalesce("bucket", "domain").alias("domain"),
        "rule",
        "query_id",
        "query",
        "query_native_id",
        F.col("doc_id").alias("positive_id"),
        F.coalesce("text", F.lit("")).alias("positive"),
        F.col("native_id").alias("positive_native_id"),
        F.col("teacher").alias("positive_teacher"),
        "known_ids",
        "drop_reason",
        F.lit(None).cast("int").alias("batch"),
        F.lit(None).cast("int").alias("position"),
    )
    return _stage1(described).unionByName(_stage2(described, _negatives(verdicts, texts, config)))


def _texts(documents: DataFrame, synthetics: DataFrame) -> DataFrame:
    """Return (doc_id, text, native_id) of kept documents and kept written negatives (equal ids, equal texts)."""
    written = kept(synthetics).where(F.col("kind") == NEGATIVE).groupBy("text_id").agg(F.min("text").alias("text"))
    named = kept(documents).select("doc_id", "text").join(name_documents(documents), "doc_id", how="left")
    return named.unionByName(written.withColumnRenamed("text_id", "doc_id"), allowMissingColumns=True)


def _pairs(positives: DataFrame, verdicts: DataFrame) -> DataFrame:
    """Return the kept positives, and the candidates that judging promoted to positives."""
    given = kept(positives)
    queries = given.groupBy("query_id").agg(F.min("query").alias("query"), F.min("domain").alias("domain"))
    promoted = (
        verdicts.where((F.col("verdict") == RELABELLED) & ~F.col("is_positive"))
        .join(queries, "query_id", how="inner")
        .select("query_id", "query", "doc_id", F.lit(PROMOTED_RULE).alias("rule"), F.lit(0.0).alias("grade"), "domain")
    )
    return given.select("query_id", "query", "doc_id", "rule", "grade", "domain").unionByName(promoted)


def _choose_pairs(pairs: DataFrame, config: AssembleConfig, seed: int) -> DataFrame:
    """Mark the pairs over their rule's share or their query's number as surplus."""
    draw = unit_column(seed, F.col("query_id"), F.col("doc_id"))
    share: Column = F.lit(1.0)
    for name, value in config.shares.items():
        share = F.when(F.col("rule") == name, F.lit(float(value))).otherwise(share)
    is_shared = F.col("draw") < share
    order = Window.partitionBy("query_id", "is_shared").orderBy(F.desc("grade"), "draw", "doc_id")
    is_surplus = ~F.col("is_shared") | (F.row_number().over(order) > config.positives_per_query)
    drawn = pairs.withColumn("draw", draw).withColumn("is_shared", is_shared).withColumn("is_surplus", is_surplus)
    reason = F.when(F.col("is_surplus"), F.lit(SURPLUS_EXAMPLE))
    return drawn.withColumn("drop_reason", reason).drop("draw", "is_shared", "is_surplus", "grade")


def _teacher_of_pairs(verdicts: DataFrame) -> DataFrame:
    return verdicts.where(F.col("teacher").isNotNull()).select("query_id", "doc_id", "teacher")


def _known_ids(positives: DataFrame, verdicts: DataFrame, duplicates: DataFrame) -> DataFrame:
    """Return (query_id, known_ids): positives, vetoed candidates, and duplicates of both.

    Dropped positives still answer, and so do those of the same query in another spelling.
    """
    is_vetoed = F.col("verdict").isin(RELABELLED, VETOED)
    is_close = is_vetoed | F.col("is_positive") | (F.col("drop_reason") == LIKELY_POSITIVE)
    shared = share_positives(positives).select("query_id", "doc_id")
    named = shared.unionByName(verdicts.where(is_close).select("query_id", "doc_id"))
    to_survivor = duplicates.select("doc_id", F.col("survivor_id").alias("cluster"))
    clustered = named.join(to_survivor, "doc_id", how="left").withColumn("cluster", F.coalesce("cluster", "doc_id"))
    twins = duplicates.select(F.col("survivor_id").alias("cluster"), F.col("doc_id").alias("twin"))
    members = clustered.select("query_id", "cluster").join(twins, "cluster", how="inner")
    parts = [
        clustered.select("query_id", "doc_id"),
        clustered.select("query_id", F.col("cluster").alias("doc_id")),
        members.select("query_id", F.col("twin").alias("doc_id")),
    ]
    every = reduce(DataFrame.unionByName, parts)
    return every.groupBy("query_id").agg(F.sort_array(F.collect_set("doc_id")).alias("known_ids"))


def _negatives(verdicts: DataFrame, texts: DataFrame, config: AssembleConfig) -> DataFrame:
    """Return (query_id, found): each query's hardest kept candidates with their texts, in order."""
    hardest = Window.partitionBy("query_id").orderBy("rank", "doc_id")
    judged = verdicts.where((F.col("verdict") == KEPT) & ~F.col("is_positive"))
    chosen = judged.withColumn("place", F.row_number().over(hardest)).where(F.col("place") <= config.negatives)
    one = F.struct(
        "place",
        "doc_id",
        F.coalesce("text", F.lit("")).alias("text"),
        F.coalesce("native_id", F.lit("")).alias("native"),
        F.coalesce("fn_probability", F.lit(0.0)).alias("fn"),
        F.coalesce("teacher", F.lit(_UNSCORED)).alias("teacher"),
    )
    found = F.sort_array(F.collect_list(one)).alias("found")
    return chosen.join(texts, "doc_id", how="left").groupBy("query_id").agg(found)


def _stage1(described: DataFrame) -> DataFrame:
    """Return the pairs as examples without negatives."""
    empty = {
        "negative_ids": T.StringType(),
        "negatives": T.StringType(),
        "negative_native_ids": T.StringType(),
        "negative_fn": T.DoubleType(),
        "negative_teacher": T.DoubleType(),
    }
    columns = {name: F.array().cast(T.ArrayType(kind, containsNull=False)) for name, kind in empty.items()}
    return conform(described.withColumns({"stage": F.lit(1), "task": F.lit(PAIR_TASK), **columns}), EXAMPLES)


def _stage2(described: DataFrame, negatives: DataFrame) -> DataFrame:
    """Return the pairs with their query's negatives; a negative that the query knows as relevant is left out."""
    joined = described.join(negatives, "query_id", how="left")
    fair = F.filter("found", lambda one: ~F.array_contains(F.col("known_ids"), one["doc_id"]))
    with_found = joined.withColumn("fair", fair)
    parts = {
        "negative_ids": "doc_id",
        "negatives": "text",
        "negative_native_ids": "native",
        "negative_fn": "fn",
        "negative_teacher": "teacher",
    }
    arrays = {name: _field(part) for name, part in parts.items()}
    is_bare = F.col("drop_reason").isNull() & (F.size("negative_ids") == 0)
    reason = F.when(is_bare, F.lit(NO_NEGATIVES)).otherwise(F.col("drop_reason"))
    filled = with_found.withColumns({"stage": F.lit(2), "task": F.lit(TRIPLET_TASK), **arrays})
    return conform(filled.withColumn("drop_reason", reason), EXAMPLES)


def _field(name: str) -> Column:
    kind = T.DoubleType() if name in ("fn", "teacher") else T.StringType()
    values = F.transform("fair", lambda one: one[name])
    return F.coalesce(values, F.array().cast(T.ArrayType(kind, containsNull=False)))
