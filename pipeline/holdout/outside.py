"""Evaluation sets from outside, as they are."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.contract import conform
from pipeline.readers.records import DOCUMENT, QREL, QUERY
from schemas.documents import EVAL_CORPUS


def outside_corpus(records: DataFrame, protect: dict[str, bool]) -> DataFrame:
    """Return the corpora of evaluation sets from outside, under their own ids.

    In:   RECORDS of their folders; by name whether their documents are protected.
    Out:  EVAL_CORPUS. Of documents that share an id the first line counts.
    """
    found = records.drop("doc_id").withColumnsRenamed({"source": "eval_name", "native_id": "doc_id"})
    told = [F.min_by("text", "line").alias("text"), F.min_by("domain", "line").alias("domain")]
    first = found.where(F.col("kind") == DOCUMENT).groupBy("eval_name", "doc_id").agg(*told)
    guarded = F.col("eval_name").isin([name for name, documents_too in protect.items() if documents_too])
    return conform(first.withColumn("protect", guarded), EVAL_CORPUS)


def outside_queries(records: DataFrame) -> DataFrame:
    """Return the judged queries of evaluation sets from outside with their relevant documents.

    In:   RECORDS of their folders.
    Out:  eval_name, query_id, query, domain, doc_id, relevance; queries without a relevant document are left out.
    """
    named = records.drop("doc_id").withColumnsRenamed({"source": "eval_name", "native_id": "query_id"})
    queries = named.where(F.col("kind") == QUERY).groupBy("eval_name", "query_id")
    texts = queries.agg(F.min_by("text", "line").alias("query"))
    qrels = named.where((F.col("kind") == QREL) & (F.col("grade") > 0)).select(
        "eval_name",
        "query_id",
        F.element_at("links", 1).alias("doc_id"),
        F.greatest(F.lit(1), F.round("grade").cast("int")).alias("relevance"),
    )
    best = qrels.groupBy("eval_name", "query_id", "doc_id").agg(F.max("relevance").alias("relevance"))
    return best.join(texts, ["eval_name", "query_id"], how="inner").withColumn("domain", F.col("eval_name"))


def leave_out_erased(records: DataFrame, ids: DataFrame, texts: DataFrame) -> DataFrame:
    """Return the records of evaluation sets from outside without what was erased on request.

    In:   RECORDS of their folders; (id) each once, of documents and queries to erase; (text) of erased documents.
    Out:  RECORDS without the documents and queries of these ids, and without documents that hold such a text.
    Cost: every document of a set is searched for every text.
    """
    named = records.join(F.broadcast(ids.withColumnRenamed("id", "native_id")), "native_id", how="left_anti")
    held = texts.where(F.length("text") > 0).select(F.col("text").alias("_erased")).distinct()
    is_copy = (F.col("kind") == DOCUMENT) & F.contains(F.col("text"), F.col("_erased"))
    return named.join(F.broadcast(held), is_copy, how="left_anti").select(*records.columns)
