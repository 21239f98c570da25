"""What the judge looks at, each in relation to the query's own candidates, so that it holds for another encoder.

Cosines are standardised over the query's candidates (``cosine_z``, ``positive_z``), the distance to the best shown
positive is counted in deviations of all candidates' cosines (``gap_spread``), BM25 as a share of the query's best hit.
A rank that a retriever did not give counts as half as deep again as its deepest for the query.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.label.signals import DECIMALS
from pipeline.search.hits import hits_of
from schemas.mining import DENSE, LEXICAL

_EDGE = 1e-6  # teacher scores are kept this far from 0 and 1 before the logit
_SPREAD_DECIMALS = 4
_BEYOND = 1.5


def with_spread(scores: DataFrame) -> DataFrame:
    """Add ``spread``: the standard deviation of all candidates' cosines, 1 where they are all alike.

    In:   SCORES.
    Cost: one more pass over two columns.
    """
    deviation = F.round(F.stddev_pop("dense"), _SPREAD_DECIMALS).alias("deviation")
    found = scores.where(~F.col("is_positive")).agg(deviation)
    spread = F.when(F.col("deviation") > 0, F.col("deviation")).otherwise(F.lit(1.0))
    return scores.crossJoin(F.broadcast(found)).withColumn("spread", spread).drop("deviation")


def describe_signals(frame: DataFrame) -> DataFrame:
    """Add the signals that the fusion reads.

    In:   ``hits``, ``dense``, ``positive_sim``, ``teacher``; ``reference`` (cosine of the best shown positive, null
          without one), ``is_shown`` (the pair is one), ``spread``; all rows of each query.
    Out:  the same rows with is_found (a retriever that searches found the pair), bm25_score, gap, cosine_z, gap_spread,
          lexical_share, positive_z, log_lexical, log_dense, teacher_logit; null = missing.
    """
    query = Window.partitionBy("query_id")
    marked = (
        frame.withColumn("bm25_score", F.array_max(F.transform(hits_of(LEXICAL), lambda hit: hit["score"])))
        .withColumn("lexical_rank", F.array_min(F.transform(hits_of(LEXICAL), lambda hit: hit["rank"])))
        .withColumn("dense_rank", F.array_min(F.transform(hits_of(DENSE), lambda hit: hit["rank"])))
        .withColumn("is_found", F.size(hits_of(LEXICAL, DENSE)) > 0)
    )
    best = F.max("bm25_score").over(query)
    share = F.when(best > 0, F.round(F.coalesce("bm25_score", F.lit(0.0)) / best, DECIMALS))
    teacher = F.greatest(F.least(F.col("teacher"), F.lit(1 - _EDGE)), F.lit(_EDGE))
    signals = {
        "gap": F.round(F.col("dense") - F.col("reference"), DECIMALS),
        "cosine_z": _standardised("dense"),
        "gap_spread": F.round((F.col("dense") - F.col("reference")) / F.col("spread"), DECIMALS),
        "lexical_share": share,
        "positive_z": _standardised("positive_sim"),
        "log_lexical": _log_rank("lexical_rank"),
        "log_dense": _log_rank("dense_rank"),
        "teacher_logit": F.when(F.col("teacher").isNotNull(), F.round(F.log(teacher / (1 - teacher)), DECIMALS)),
    }
    return marked.withColumns(signals).drop("lexical_rank", "dense_rank")


def _standardised(name: str) -> Column:
    """Return a column in deviations from the mean of the query's candidates; null where they are all alike."""
    query = Window.partitionBy("query_id")
    counted = F.when(F.col("is_found") & ~F.col("is_shown"), F.col(name))
    mean, deviation = (F.round(measure(counted).over(query), DECIMALS) for measure in (F.avg, F.stddev_pop))
    return F.when(deviation > 0, F.round((F.col(name) - mean) / deviation, DECIMALS))


def _log_rank(name: str) -> Column:
    deepest = F.max(name).over(Window.partitionBy("query_id"))
    return F.round(F.log(F.coalesce(F.col(name).cast("double"), deepest * _BEYOND)), DECIMALS)
