"""Domains: what a batch is made of, from the domain that the source rule gave each document."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform, kept
from schemas.config import Config, setting
from schemas.documents import DOMAINS
from schemas.errors import rule

SEPARATOR = "/"
SOURCE_RULE = "source"


@dataclass(frozen=True)
class BucketConfig(Config):
    """How documents are parted into domains."""

    rule: str = setting(SOURCE_RULE, "where a document's domain comes from", choices=(SOURCE_RULE,))
    depth: int = setting(3, "levels of a taxonomy path (a/b/c) that are told apart", low=1, high=16)
    min_size: int = setting(100, "documents a domain needs; a smaller one joins its parent, or `other`", low=1)
    other: str = setting("other", "the domain of documents whose own is too small, or empty")

    def faults(self) -> list[str]:
        """Require one level of a path for ``other``."""
        if not self.other.strip() or SEPARATOR in self.other:
            return [rule("other", f"a name without {SEPARATOR}", self.other)]
        return []


def assign_domains(documents: DataFrame, cfg: BucketConfig) -> DataFrame:
    """Give every kept document exactly one domain, none of them smaller than asked but ``other``.

    In:   DOCUMENTS.
    Out:  DOMAINS, one row per kept document.
    Cost: one count per domain path, then a join; the work per level is over domains, not documents.
    """
    told = kept(documents).select("doc_id", F.col("domain").alias("path"))
    paths = told.groupBy("path").agg(F.count("*").alias("documents"))
    names = merge_small(paths, cfg)
    return conform(told.join(names, "path", how="inner"), DOMAINS)


def merge_small(paths: DataFrame, cfg: BucketConfig) -> DataFrame:
    """Merge domains that are too small into their parents, deepest level first.

    In:   path, documents; one row per path.
    Out:  path, domain.
    """
    parts = F.filter(F.split("path", SEPARATOR), lambda part: F.trim(part) != "")
    clean = F.array_join(F.slice(F.transform(parts, F.trim), 1, cfg.depth), SEPARATOR)
    merged = paths.select("path", "documents", F.when(clean == "", cfg.other).otherwise(clean).alias("domain"))
    level = F.size(F.split("domain", SEPARATOR))
    held = F.sum("documents").over(Window.partitionBy("domain"))
    for depth in range(cfg.depth, 0, -1):
        above = cfg.other if depth == 1 else F.substring_index("domain", SEPARATOR, depth - 1)
        too_small = (level == depth) & (F.col("held") < cfg.min_size)
        parent = F.lit(above) if isinstance(above, str) else above
        merged = merged.withColumn("held", held).withColumn(
            "domain", F.when(too_small, parent).otherwise(F.col("domain")))
    return merged.select("path", "domain")
