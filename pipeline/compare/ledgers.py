"""What another miner changed: two ledgers of the same queries, candidate by candidate.

Cosines of two models do not compare; what does is the order of a query's candidates, and where they stand to its known
positive.
Source: Xiong et al. 2021, Approximate Nearest Neighbor Negative Contrastive Learning (ANCE): negatives are mined again
with the model in training.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

KEPT, ABSENT = "kept", "not found"


def compare_ledgers(before: DataFrame, after: DataFrame) -> DataFrame:
    """Return what became of every candidate that either ledger has.

    In:   VERDICTS of both, whole.
    Out:  (query_id, doc_id, was, is, rank_before, rank_after): ``was`` and ``is`` are kept, the drop_reason, or not
          found; ranks by cosine among the query's candidates of that ledger, null where it has none.
    Ties: ranks by doc_id.
    """
    old, new = (_ranked(frame) for frame in (before, after))
    both = old.select("query_id", "doc_id", F.col("fate").alias("was"), F.col("rank").alias("rank_before")).join(
        new.select("query_id", "doc_id", F.col("fate").alias("is"), F.col("rank").alias("rank_after")),
        ["query_id", "doc_id"],
        how="full",
    )
    return both.fillna(ABSENT, ["was", "is"])


def _ranked(verdicts: DataFrame) -> DataFrame:
    hardest = Window.partitionBy("query_id").orderBy(F.desc("dense"), "doc_id")
    return verdicts.where(~F.col("is_positive")).select(
        "query_id",
        "doc_id",
        F.coalesce("drop_reason", F.lit(KEPT)).alias("fate"),
        F.row_number().over(hardest).alias("rank"),
    )


def count_moves(moves: DataFrame) -> DataFrame:
    """Return (was, is, candidates), most first. In: :func:`compare_ledgers`."""
    counted = moves.groupBy("was", "is").agg(F.count("*").alias("candidates"))
    return counted.orderBy(F.desc("candidates"), "was", "is")


def measure_moves(moves: DataFrame) -> DataFrame:
    """Return one row of figures over the candidates. In: :func:`compare_ledgers`.

    Out:  before, after, both: candidates of either ledger and of both; kept_both; moved: the median number of ranks
          that a candidate of both has moved, null where there is none.
    """
    is_both = F.col("rank_before").isNotNull() & F.col("rank_after").isNotNull()
    return moves.agg(
        F.count("rank_before").alias("before"),
        F.count("rank_after").alias("after"),
        F.count_if(is_both).alias("both"),
        F.count_if((F.col("was") == KEPT) & (F.col("is") == KEPT)).alias("kept_both"),
        F.percentile(F.abs(F.col("rank_after") - F.col("rank_before")), 0.5).alias("moved"),
    )


def measure_hardness(verdicts: DataFrame) -> DataFrame:
    """Return one row that says how hard a ledger's negatives are, in relation to the best known positive of each query.

    In:   VERDICTS.
    Out:  kept: negatives; queries with one; gap: mean cosine of a kept negative less that of the positive; above: share
          of the kept negatives that score above it; first: share of the queries whose positive scores above every
          candidate; fn: mean probability of the kept ones of being a false negative. Null where there is nothing.
    """
    query = Window.partitionBy("query_id")
    positive = F.max(F.when(F.col("is_positive"), F.col("dense"))).over(query)
    best = F.max(F.when(~F.col("is_positive"), F.col("dense"))).over(query)
    rows = verdicts.withColumn("gap", F.col("dense") - positive).withColumn("lead", positive - best)
    is_kept = ~F.col("is_positive") & F.col("drop_reason").isNull()
    leads = rows.groupBy("query_id").agg(F.first("lead").alias("lead"), F.count_if(is_kept).alias("kept"))
    of_queries = leads.agg(
        F.count_if(F.col("kept") > 0).alias("queries"),
        F.avg((F.col("lead") > 0).cast("double")).alias("first"),
    )
    of_negatives = rows.where(is_kept).agg(
        F.count("*").alias("kept"),
        F.avg("gap").alias("gap"),
        F.avg((F.col("gap") > 0).cast("double")).alias("above"),
        F.avg("fn_probability").alias("fn"),
    )
    return of_negatives.crossJoin(of_queries)
