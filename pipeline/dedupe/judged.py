"""Which documents people judged, and for which queries: these keep apart what only looks alike.

Notices of two years differ in a number, and each answers the query for its year. So of a cluster of near-duplicates
those documents stay that answer different judged queries; what nobody judged goes with the best judged one. Equal texts
answer the same queries, and are one document however they are judged.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import kept
from schemas.pairs import SEE_ALSO_MARK

NOT_JUDGED = 0


def mark_judged(documents: DataFrame, judgements: DataFrame, named: DataFrame | None = None) -> DataFrame:
    """Add ``judged``: a number for the set of queries that a document's text answers; 0 where nobody judged it.

    In:   kept DOCUMENTS; JUDGEMENTS, of which "see also" says that two are related and tells nothing apart; the
          documents that bear the ids of the judgements, where those are others.
    Cost: one join of the judged ids with the documents, one of their hashes.
    """
    asked = kept(judgements).where(~F.contains("query_native_id", F.lit(SEE_ALSO_MARK)))
    answers = asked.select("source", F.col("doc_native_id").alias("native_id"), "query")
    owners = (documents if named is None else named).select("source", "native_id", "text_hash")
    queries = F.xxhash64(F.sort_array(F.collect_set("query"))).alias("judged")
    sets = owners.join(answers, ["source", "native_id"], how="inner").groupBy("text_hash").agg(queries)
    marked = documents.join(sets, "text_hash", how="left")
    return marked.withColumn("judged", F.coalesce("judged", F.lit(NOT_JUDGED).cast("long")))


def judged_first() -> Column:
    """Return what a cluster is ordered by before any preference."""
    return (F.col("judged") == NOT_JUDGED).cast("int")


def part_by_queries(clustered: DataFrame) -> DataFrame:
    """Add ``part``: within a ``root`` equal for documents that answer the same judged queries, and for the unjudged.

    In:   root, judged, preference, doc_id.
    Ties: the unjudged go with the best judged document by preference, then doc_id.
    """
    best = Window.partitionBy("root").orderBy(judged_first(), "preference", "doc_id")
    joins = F.first("judged").over(best)
    return clustered.withColumn("part", F.when(F.col("judged") == NOT_JUDGED, joins).otherwise(F.col("judged")))
