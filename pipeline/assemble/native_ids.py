"""The ids that sources give their documents and queries, for whoever reads what was made of them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.contract import kept
from pipeline.queries import id_of
from schemas.documents import SPLIT
from schemas.pairs import SEE_ALSO_MARK

_PLACE = ("source", "path", "line")


def name_documents(documents: DataFrame) -> DataFrame:
    """Return (doc_id, native_id) of the documents whose source gives them an id.

    In:   DOCUMENTS, whole: a passage without an id of its own goes by that of the document it is cut from, which
          stands at the same place of its file.
    Cost: a join of the documents without an id with those that were cut, which are few or none.
    """
    own = documents.where(F.col("native_id").isNotNull()).select("doc_id", "native_id")
    cut = documents.where((F.col("drop_reason") == SPLIT) & F.col("native_id").isNotNull())
    parents = cut.groupBy(*_PLACE).agg(F.min("native_id").alias("native_id"))
    nameless = documents.where(F.col("native_id").isNull()).select("doc_id", *_PLACE)
    return own.unionByName(nameless.join(parents, [*_PLACE], how="inner").select("doc_id", "native_id"))


def name_queries(judgements: DataFrame) -> DataFrame:
    """Return (query_id, query_native_id): the id that a source gives a query, of several the smallest.

    In:   JUDGEMENTS, kept rows count.
    """
    is_given = ~F.contains("query_native_id", F.lit(SEE_ALSO_MARK))
    asked = kept(judgements).where(is_given).select(id_of("query").alias("query_id"), "query_native_id")
    return asked.groupBy("query_id").agg(F.min("query_native_id").alias("query_native_id"))
