"""Erasure on request: a document that is named in a file keeps its row, and nothing of what it said.

One id a line, a doc_id or the id that a source gives (then in every source). A line that begins with "# " is a comment;
what follows " # " is one where no document has the whole line as its id, for an id may hold that sign (a URL with a
fragment). An id that the source gives is the safer one: a doc_id hashes the text, so a document that is edited has
another. A line that names no document is told: it may be misspelt.
A row that could not be read keeps no bytes where one of the ids stands in them.
Known weakness: a copy of the text under another id stays; bytes of a reject in another encoding than UTF-8 are searched
for ids in ASCII alone.
"""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipeline.contract import conform, local_frame
from pipeline.text import clean_text, one_line
from schemas.documents import DOCUMENTS, ERASED, JUDGEMENTS, REJECTS
from schemas.errors import RecipeError
from schemas.pairs import SEE_ALSO_MARK


def read_erased(path: str) -> list[str]:
    """Return the lines of the file that name something, sorted, each once; none for no file.

    Raises: RecipeError when it cannot be read.
    """
    if not path:
        return []
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")  # returns became newlines
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"erase must name a readable file of ids in UTF-8, got {path!r}: {error}") from error
    named = {one_line(clean_text(line)) for line in lines}  # as ids are cleaned
    return sorted(line for line in named - {"", "#"} if not line.startswith("# "))


def match_lines(spark: SparkSession, lines: list[str], names: DataFrame) -> DataFrame:
    """Return which id each line names, of those that there are; lines that name none are left out.

    In:   (id).
    Out:  (line, id), one row a line: the whole line where that is an id, else what comes before its comment.
    """
    readings = [(line, rank, each) for line in lines for rank, each in enumerate((line, line.partition(" # ")[0]))]
    asked = local_frame(spark, readings, "line string, rank integer, id string")
    known = asked.join(names, "id", how="left_semi")
    return known.groupBy("line").agg(F.min_by("id", "rank").alias("id"))


def names_of_documents(documents: DataFrame) -> DataFrame:
    """Return the ids that documents have, their own and those of their sources, as a frame (id).

    In:  doc_id and native_id.
    """
    return documents.select(F.explode(F.array_compact(F.array("doc_id", "native_id"))).alias("id"))


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


def erase_rejects(rejects: DataFrame, lines: list[str]) -> DataFrame:
    """Blank what could not be read where a line of the file, or what comes before its comment, stands in it as a word.

    In:   REJECTS; the lines of :func:`read_erased`, at least one.
    Out:  REJECTS, one row per row; of an erased one its place and its reason are left.
    Cost: a search of each reject's bytes for each id.
    """
    names = sorted({each for line in lines for each in (line, line.partition(" # ")[0])})
    # Bytes are searched as Latin-1, where each is one character: a reject need not be text.
    plain = [name.encode().decode("latin-1").replace("\\E", "\\E\\\\E\\Q") for name in names]
    patterns = [(rf"(?<![\p{{Alnum}}_])\Q{name}\E(?![\p{{Alnum}}_])",) for name in plain]
    ids = local_frame(rejects.sparkSession, patterns, "id string")
    hits = rejects.join(F.broadcast(ids), F.expr("decode(raw, 'ISO-8859-1') rlike id"), how="left_semi")
    keys = list(REJECTS.key)
    marked = rejects.join(hits.select(*keys, F.lit(True).alias("_hit")), keys, how="left")
    is_hit = F.col("_hit").isNotNull()
    blank = {"detail": F.lit("erased on request"), "raw": F.lit(b"")}
    columns = [
        F.when(is_hit, blank.get(name, F.col(name))).otherwise(F.col(name)).alias(name) for name in REJECTS.names
    ]
    return conform(marked.select(*columns), REJECTS)


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
