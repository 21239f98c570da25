"""The taxonomy: domain paths cut to a depth, and those that too few documents have merged upwards, to their sources."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.bucket.config import SEPARATOR, BucketConfig
from pipeline.contract import conform, kept
from schemas.documents import DOMAINS

_FILE_ROWS = 250_000


def stated_domains(documents: DataFrame) -> DataFrame:
    """Return (doc_id, source, path) of the kept documents: the domain by source rule. In: DOCUMENTS."""
    return kept(documents).select("doc_id", "source", F.col("domain").alias("path"))


def is_stated(named: Collection[str]) -> Column:
    """Return whether a document's source says its domain.

    ``named`` are the sources for which the recipe does; in another, a document that says none is given the source's
    own name.
    """
    return (F.col("domain") != F.col("source")) | F.col("source").isin(list(named))


def assign_domains(told: DataFrame, cfg: BucketConfig) -> DataFrame:
    """Give every document exactly one domain, none of them smaller than asked but those named after a source.

    In:   doc_id, source, path (a, a/b, ...; null = none); one row per document.
    Out:  DOMAINS, one row per document.
    Cost: one count per domain path, then a join; the work per level is over domains, not documents.
    """
    told = told.withColumn("path", F.coalesce("path", F.lit("")))
    paths = told.groupBy("source", "path").agg(F.count("*").alias("documents"))
    return conform(told.join(merge_small(paths, cfg), ["source", "path"], how="inner"), DOMAINS)


def merge_small(paths: DataFrame, cfg: BucketConfig) -> DataFrame:
    """Merge domains that are too small into their parents, deepest level first; what is small at the top, by source.

    In:   source, path, documents; one row per source and path.
    Out:  source, path, domain, and whether it was too small at the top (``is_small``).
    """
    # Spark hands a function that can take two arguments the position as well: trim would cut off its digits.
    parts = F.filter(F.transform(F.split("path", SEPARATOR), lambda part: F.trim(part)), lambda part: part != "")
    clean = F.array_join(F.slice(parts, 1, cfg.depth), SEPARATOR)
    merged = paths.select(
        "source", "path", "documents", F.when(clean == "", cfg.other).otherwise(clean).alias("domain")
    )
    level = F.size(F.split("domain", SEPARATOR))
    held = F.sum("documents").over(Window.partitionBy("domain"))
    for depth in range(cfg.depth, 1, -1):
        above = F.substring_index("domain", SEPARATOR, depth - 1)
        too_small = (level == depth) & (F.col("held") < cfg.min_size)
        merged = merged.withColumn("held", held).withColumn(
            "domain", F.when(too_small, above).otherwise(F.col("domain"))
        )
    topmost = merged.withColumn("held", held).withColumn("is_small", F.col("held") < cfg.min_size)
    by_source = F.when(F.col("is_small"), F.col("source")).otherwise(F.col("domain"))
    return topmost.select("source", "path", by_source.alias("domain"), "is_small")


def lay_out_domains(documents: DataFrame, domains: DataFrame, file_rows: int = _FILE_ROWS) -> DataFrame:
    """Return the documents under their domains, so spread that a writer partitioned by domain makes no small files.

    In:   DOCUMENTS, DOMAINS.
    Out:  the documents that have a domain, its name in ``domain``. Up to ``file_rows``, all of a domain's rows are in
          one task, and so in one file; a larger domain is parted by hash into as many tasks as hold that many rows.
    """
    sizes = domains.groupBy("domain").agg(F.ceil(F.count("*") / file_rows).alias("_files"))
    placed = documents.drop("domain").join(domains, "doc_id", how="inner").join(sizes, "domain", how="inner")
    slot = F.pmod(F.xxhash64("doc_id"), F.col("_files"))
    spread = placed.withColumn("_slot", slot).repartition("domain", "_slot").sortWithinPartitions("domain", "doc_id")
    return spread.select(*documents.columns)
