"""What people judged or linked outranks a default: a command of two letters that answers a query is a document.

Short, long and letterless texts go unless somebody points at them. Where the recipe sets a limit itself the limit
holds for all, and what went with it is counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.contract import conform, kept
from pipeline.ingest.config import SourceConfig
from schemas.documents import DOCUMENTS, DUPLICATE_ID, NO_LETTERS, SPLIT, TOO_LONG, TOO_SHORT
from schemas.pairs import SEE_ALSO_MARK


def keep_judged(documents: DataFrame, judgements: DataFrame, sources: Sequence[SourceConfig]) -> DataFrame:
    """Take back what a default drops of documents that a judgement or a link points at.

    In:   DOCUMENTS, JUDGEMENTS.
    Out:  DOCUMENTS, every row; too_short, too_long and no_letters are gone where no setting of the recipe says so. A
          document without any text stays dropped.
    Cost: one join of the ids pointed at.
    """
    judged = kept(judgements).select("source", F.col("doc_native_id").alias("native_id"))
    linked = documents.select("source", F.explode("links").alias("native_id"))
    pointed = judged.unionByName(linked).distinct().withColumn("_pointed", F.lit(True))
    told = [source.name for source in sources if source.min_chars is not None]
    told_long = [source.name for source in sources if source.max_chars is not None]
    reason, source = F.col("drop_reason"), F.col("source")
    by_default = (
        (reason == NO_LETTERS)
        | ((reason == TOO_SHORT) & ~source.isin(told))
        | ((reason == TOO_LONG) & ~source.isin(told_long))
    )
    spared = by_default & F.coalesce("_pointed", F.lit(False)) & (F.col("text") != "")
    marked = documents.join(F.broadcast(pointed), ["source", "native_id"], how="left")
    return conform(marked.withColumn("drop_reason", F.when(~F.coalesce(spared, F.lit(False)), reason)), DOCUMENTS)


def count_judged(documents: DataFrame, judgements: DataFrame) -> DataFrame:
    """Count the judged documents that are dropped, and the judgements that point at them.

    In:   DOCUMENTS, JUDGEMENTS; what "see also" says is no judgement.
    Out:  reason, documents, judgements; by reason.
    """
    judged = kept(judgements).where(~F.contains("query_native_id", F.lit(SEE_ALSO_MARK)))
    named = judged.select("source", F.col("doc_native_id").alias("native_id"))
    stands = F.coalesce("drop_reason", F.lit(DUPLICATE_ID)).isin(DUPLICATE_ID, SPLIT)  # for the id another row does
    gone = documents.where(~stands).select("source", "native_id", "doc_id", "drop_reason")
    lost = named.join(gone, ["source", "native_id"], how="inner").groupBy(F.col("drop_reason").alias("reason"))
    counts = [F.count_distinct("doc_id").alias("documents"), F.count("*").alias("judgements")]
    return lost.agg(*counts).orderBy("reason")
