"""The Spark side of ingest: units -> records, and records -> documents, judgements and rejects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from pipeline.contract import conform, frame_of, spark_schema
from pipeline.ids import hash_column, unit_column
from pipeline.ingest.clean.record import Row, clean_record
from pipeline.ingest.config import SourceConfig
from pipeline.readers.formats.pydocs.links import resolve_links
from pipeline.readers.isolated import TooSlowError
from pipeline.readers.records import DOCUMENT, QREL, QUERY, RECORDS, REJECT, SEE_ALSO, too_slow
from pipeline.readers.registry import FORMATS
from pipeline.readers.unit import Unit
from pipeline.readers.watch import Watch
from schemas.documents import (
    ANNOTATIONS,
    DOCUMENTS,
    DUPLICATE_ID,
    JUDGEMENTS,
    NOT_RELEVANT,
    REJECTS,
    UNKNOWN_DOCUMENT,
    UNKNOWN_QUERY,
)
from schemas.pairs import SEE_ALSO_MARK

_BATCH_ROWS = 512
_READ_LIMITS = 10  # a step of a reader may pass over much that gives no record
_BATCH_CHARS = 4 << 20


def read_records(units: DataFrame, sources: Sequence[SourceConfig]) -> DataFrame:
    """Read the units: whatever is in them, and whatever is wrong with them.

    In:   units (pipeline.ingest.units.unit_frame).
    Out:  RECORDS.
    Cost: Python; memory of one unit's row and of one batch of about 4 million characters.
    """
    by_name = {source.name: source for source in sources}

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        schema = to_arrow_schema(spark_schema(RECORDS))
        units = (Unit(**given) for batch in batches for given in batch.to_pylist())
        rows = (row for unit in units for row in read_unit(unit, by_name[unit.source]))
        for some in _batches(rows):
            yield pa.RecordBatch.from_pylist(some, schema=schema)

    return units.mapInArrow(read, spark_schema(RECORDS))


def read_unit(unit: Unit, source: SourceConfig) -> Iterator[Row]:
    """Yield the RECORDS rows of a unit; what takes too long to read or to clean is a reject that says so."""
    line = 0
    with Watch(source.max_seconds) as watch:
        try:
            records = FORMATS[source.format].read(unit, source)
            for record in watch.steps(records, _READ_LIMITS):
                line = record.line
                try:
                    row = watch.step(partial(clean_record, record, source))
                except TooSlowError:
                    row = clean_record(too_slow(record.path, line, source), source)
                yield row
        except TooSlowError:
            yield clean_record(too_slow(unit.path, line + 1, source, rest=True), source)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    some: list[Row] = []
    chars = 0
    for row in rows:
        some.append(row)
        chars += len(row["text"] or "") + len(row["raw"] or b"")
        if len(some) >= _BATCH_ROWS or chars >= _BATCH_CHARS:
            yield some
            some, chars = [], 0
    if some:
        yield some


def select_documents(
    records: DataFrame,
    targets: DataFrame | None,
    sources: Sequence[SourceConfig],
    seed: int,
) -> DataFrame:
    """Return the documents, each once, its links resolved, no more than the sources' limits.

    In:    RECORDS; what name_targets made of them, None where no source is of docstrings.
    Out:   DOCUMENTS; of documents that share an id within a source, all but the first have duplicate_id.
    Drops: too_short, too_long, no_letters, duplicate_id, and what the sources' ``clean`` asks for. Documents over a
           limit are not taken at all.
    Ties:  the first is by path, line and doc_id; what a limit takes is drawn by hash of seed and family.
    """
    taken = _taken(records, sources, seed)
    return conform(taken if targets is None else _with_links(taken, targets), DOCUMENTS)


def select_annotations(records: DataFrame, sources: Sequence[SourceConfig], seed: int) -> DataFrame:
    """Return what cleaning found out about the documents of the sources that ask for it.

    In:  RECORDS.
    Out: ANNOTATIONS, for the documents that select_documents returns.
    """
    asking = [source.name for source in sources if source.clean.annotates]
    if not asking:
        return frame_of(records.sparkSession, ANNOTATIONS, [])
    return conform(_taken(records.where(F.col("source").isin(asking)), sources, seed), ANNOTATIONS)


def _taken(records: DataFrame, sources: Sequence[SourceConfig], seed: int) -> DataFrame:
    return _within_limits(_once(records.where(F.col("kind") == DOCUMENT)), sources, seed)


def _once(documents: DataFrame) -> DataFrame:
    """Mark later documents of one id, and tell apart rows that are equal in everything but their place."""
    same_id = hash_column(F.col("source"), F.col("native_id"))
    key = F.when(F.col("native_id").isNull(), F.col("doc_id")).otherwise(same_id)
    place = [F.col("path"), F.col("line"), F.col("doc_id")]
    by_id = Window.partitionBy("_key").orderBy(*place)
    by_content = Window.partitionBy("_key", "doc_id").orderBy("path", "line")
    is_later = F.col("native_id").isNotNull() & (F.col("_nth_of_id") > 1)
    again = F.col("_nth_of_content") > 1

    ranked = (
        documents.withColumn("_key", key)
        .withColumn("_nth_of_id", F.row_number().over(by_id))
        .withColumn("_nth_of_content", F.row_number().over(by_content))
    )
    new_id = F.when(again, hash_column(F.col("doc_id"), F.col("_nth_of_content"))).otherwise(F.col("doc_id"))
    reason = F.when(is_later, DUPLICATE_ID).otherwise(F.col("drop_reason"))
    return ranked.withColumn("drop_reason", reason).withColumn("doc_id", new_id)


def _within_limits(documents: DataFrame, sources: Sequence[SourceConfig], seed: int) -> DataFrame:
    drawn = [unit_column(seed, F.col("family")), F.col("family"), F.col("doc_id")]
    for keys, limits in (
        (("source", "domain"), {source.name: source.limit_per_domain for source in sources if source.limit_per_domain}),
        (("source",), {source.name: source.limit for source in sources if source.limit}),
    ):
        if limits:
            limit = _per_source({name: F.lit(value) for name, value in limits.items()})
            place = F.row_number().over(Window.partitionBy(*keys).orderBy(*drawn))
            documents = documents.withColumn("_place", place).where(limit.isNull() | (F.col("_place") <= limit))
    return documents


def _per_source(values: dict[str, Column]) -> Column:
    """Return a column that has a value for each source named, else null."""
    found = F.lit(None)
    for name, value in values.items():
        found = F.when(F.col("source") == name, value).otherwise(found)
    return found


def name_targets(records: DataFrame) -> DataFrame:
    """Return which symbol each name in a "See Also" means.

    In:   RECORDS.
    Out:  (source, symbol, name, target); see pipeline.readers.formats.pydocs.links.
    """
    symbols = records.where((F.col("kind") == DOCUMENT) & F.col("package").isNotNull())
    names = symbols.select("source", "package", F.col("native_id").alias("symbol"), F.explode("links").alias("name"))
    known = symbols.select("source", "package", "native_id")
    return resolve_links(names.distinct(), known.distinct())


def _with_links(documents: DataFrame, targets: DataFrame) -> DataFrame:
    """Turn the names that docstrings give into native ids; other sources give ids themselves."""
    by_name = F.map_from_entries(F.collect_list(F.struct("name", "target"))).alias("_targets")
    maps = targets.groupBy("source", F.col("symbol").alias("native_id")).agg(by_name)
    found = F.transform("links", lambda name: F.try_element_at(F.col("_targets"), name))
    links = F.array_distinct(F.array_compact(found))
    none = F.array().cast(T.ArrayType(T.StringType(), containsNull=False))
    joined = documents.join(maps, ["source", "native_id"], how="left")
    is_name = F.col("package").isNotNull()
    return joined.withColumn("links", F.when(is_name, F.coalesce(links, none)).otherwise(F.col("links")))


def select_judgements(records: DataFrame, targets: DataFrame | None) -> DataFrame:
    """Return which query the source answers with which document: qrels, and what "See Also" says about a symbol.

    In:   RECORDS; what name_targets made of them, None where no source is of docstrings.
    Out:  JUDGEMENTS, once per query and document; those from "See Also" have " see also " in query_native_id.
    Drops: unknown_query, unknown_document, not_relevant; the first that applies.
    Ties: the highest grade and the smallest text win.
    """
    native = F.col("native_id").alias("query_native_id")
    queries = records.where(F.col("kind") == QUERY).groupBy("source", native).agg(F.min("text").alias("query"))
    document = F.col("native_id").alias("doc_native_id")
    documents = (
        records.where((F.col("kind") == DOCUMENT) & F.col("native_id").isNotNull())
        .select("source", document)
        .distinct()
    )
    qrels = records.where(F.col("kind") == QREL).select(
        "source", native, F.element_at("links", 1).alias("doc_native_id"), "grade"
    )
    best = qrels.groupBy(*JUDGEMENTS.key).agg(F.max("grade").alias("grade"))
    judged = best.join(queries, ["source", "query_native_id"], how="left").join(
        documents.withColumn("_is_known", F.lit(True)), ["source", "doc_native_id"], how="left"
    )
    reason = (
        F.when(F.col("query").isNull(), UNKNOWN_QUERY)
        .when(F.col("_is_known").isNull(), UNKNOWN_DOCUMENT)
        .when(F.col("grade") <= 0, NOT_RELEVANT)
    )
    found = judged.withColumns({"drop_reason": reason, "query": F.coalesce("query", F.lit(""))}).drop("_is_known")
    if targets is not None:
        said = _described(records, targets).groupBy(*JUDGEMENTS.key)
        told = said.agg(F.min("query").alias("query"), F.max("grade").alias("grade"))
        found = found.unionByName(told.withColumn("drop_reason", F.lit(None).cast("string")))
    return conform(found, JUDGEMENTS)


def _described(records: DataFrame, targets: DataFrame) -> DataFrame:
    """Return what a "See Also" says about a symbol as a query that this symbol answers."""
    said = records.where(F.col("kind") == SEE_ALSO).select(
        "source",
        F.col("native_id").alias("symbol"),
        F.element_at("links", 1).alias("name"),
        F.col("text").alias("query"),
    )
    return said.join(targets, ["source", "symbol", "name"], how="inner").select(
        "source",
        F.concat("symbol", F.lit(SEE_ALSO_MARK), "name").alias("query_native_id"),
        "query",
        F.col("target").alias("doc_native_id"),
        F.lit(1.0).alias("grade"),
    )


def select_rejects(records: DataFrame) -> DataFrame:
    """Return what could not be read.

    In:  RECORDS.
    Out: REJECTS.
    """
    return conform(records.where(F.col("kind") == REJECT), REJECTS)
