"""Erasure on request: a document that is named in a file keeps its row, and nothing of what it said.

One id a line, a doc_id or the id that a source gives (then in every source); # starts a comment. An id that the source
gives is the safer one: a doc_id hashes the text, so a document that is edited has another.
Known weakness: a copy of the text under another id stays; what could not be read (rejects) is not searched.
"""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipeline.contract import conform, local_frame
from schemas.documents import DOCUMENTS, ERASED, JUDGEMENTS
from schemas.errors import RecipeError
from schemas.pairs import SEE_ALSO_MARK


def read_erased(path: str) -> list[str]:
    """Return the ids in the file, sorted, each once; none for no file.

    Raises: RecipeError when it cannot be read.
    """
    if not path:
        return []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"erase must name a readable file of ids in UTF-8, got {path!r}: {error}") from error
    return sorted({line.partition("#")[0].strip() for line in lines} - {""})


def id_frame(spark: SparkSession, ids: list[str]) -> DataFrame:
    """Return the ids as a frame (id)."""
    return local_frame(spark, [(each,) for each in ids], "id string")


def erase_documents(documents: DataFrame, ids: DataFrame) -> DataFrame:
    """Blank the named documents, and say so in their drop_reason.

    In:   DOCUMENTS; (id), each once.
    Out:  DOCUMENTS, one row per row; of an erased one the ids, its place, domain and licence are left.
    """
    named = documents.join(ids.select(F.col("id").alias("doc_id"), F.lit(True).alias("_by_id")), "doc_id", how="left")
    named = named.join(
        ids.select(F.col("id").alias("native_id"), F.lit(True).alias("_by_name")), "native_id", how="left"
    )
    is_erased = F.coalesce("_by_id", "_by_name").isNotNull()

    def blanked(name: str, value: Column) -> Column:
        return F.when(is_erased, value).otherwise(F.col(name)).alias(name)

    empty, none = F.lit(""), F.array().cast(T.ArrayType(T.StringType(), containsNull=False))
    blank = {
        "title": empty,
        "text": empty,
        "text_hash": empty,
        "links": none,
        "family": F.col("doc_id"),
        "chars": F.lit(0),
        "drop_reason": F.lit(ERASED),
    }
    columns = [blanked(name, blank[name]) if name in blank else F.col(name) for name in DOCUMENTS.names]
    return conform(named.select(*columns), DOCUMENTS)


def name_relatives(documents: DataFrame, passages: DataFrame, ids: DataFrame) -> DataFrame:
    """Return the ids, and those of the documents that hold a named one's text: its parent, and all passages of that.

    In:   DOCUMENTS, PASSAGES, (id), each once.
    Out:  (id), each once.
    """
    names = documents.select("doc_id", F.explode(F.array_compact(F.array("doc_id", "native_id"))).alias("id"))
    hit = names.join(ids, "id", how="left_semi").select("doc_id")
    parents = passages.join(hit, "doc_id", how="left_semi").select("parent_id")
    parents = parents.unionByName(hit.select(F.col("doc_id").alias("parent_id")))
    parts = passages.join(parents, "parent_id", how="left_semi").select(F.col("doc_id").alias("id"))
    return ids.unionByName(parents.select(F.col("parent_id").alias("id"))).unionByName(parts).distinct()


def erase_judgements(judgements: DataFrame, ids: DataFrame) -> DataFrame:
    """Leave out the queries that are part of an erased document: what its "See Also" says of another.

    In:   JUDGEMENTS; (id).
    Out:  JUDGEMENTS; a judgement of an erased document stays, it names an id alone.
    """
    owner = F.substring_index("query_native_id", SEE_ALSO_MARK, 1)
    is_quoted = F.col("query_native_id").contains(SEE_ALSO_MARK)
    quoted = judgements.withColumn("id", F.when(is_quoted, owner))
    return conform(quoted.join(ids, "id", how="left_anti"), JUDGEMENTS)
