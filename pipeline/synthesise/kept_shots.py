"""Yesterday's shots, shown again while they hold: another shot is another prompt for every document of its domain.

Of a kept shot there are ids and a hash of what it shows, no text. It holds while what it would show now has that hash:
the pair and both documents are there and say the same, and its negative is still no positive of its query. One that
does not hold (its document was edited, dropped or erased) has all shots of its domain chosen anew.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.contract import kept
from pipeline.ids import hash_column
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.requests import showable_pairs

# The name of a domain may be made of words of its texts.
KEPT_SHOTS = "domain_id string, place int, query_id string, doc_id string, negative_id string, shown string"


def describe_shots(shots: DataFrame) -> DataFrame:
    """Return what is kept of add_shot_negatives' frame: KEPT_SHOTS, a row per shot."""
    return shots.select(_domain_id(), "place", "query_id", "doc_id", "negative_id", _shown().alias("shown"))


def keep_shots(
    shots: DataFrame,
    earlier: DataFrame,
    documents: DataFrame,
    positives: DataFrame,
    cfg: SynthesiseConfig,
) -> DataFrame:
    """Show a domain's earlier shots while all of them hold and few differ from those that are chosen now.

    In:   add_shot_negatives' frame; KEPT_SHOTS; DOCUMENTS; POSITIVES.
    Out:  add_shot_negatives' frame; the shots of a domain, and their places, are all earlier ones or all chosen now.
    """
    now = describe_shots(shots).select("domain_id", "shown")
    again = _look_up(earlier, documents, positives, cfg)
    compared = again.join(now.withColumn("is_same", F.lit(1)), ["domain_id", "shown"], how="left")
    then = compared.groupBy("domain_id").agg(
        F.bool_and("holds").alias("all_hold"), F.count("is_same").alias("same"), F.count("*").alias("then")
    )
    sizes = now.groupBy("domain_id").agg(F.count("*").alias("now"))
    changed = F.round(1 - F.col("same") / F.greatest("then", "now"), 6)
    staying = then.join(sizes, "domain_id", how="inner").where(F.col("all_hold") & (changed <= cfg.refresh))
    named = shots.select(_domain_id(), "domain").distinct().join(staying, "domain_id", how="left_semi")
    new = shots.join(named, "domain", how="left_anti")
    return new.unionByName(again.join(named, "domain_id", how="inner").select(*new.columns))


def _look_up(earlier: DataFrame, documents: DataFrame, positives: DataFrame, cfg: SynthesiseConfig) -> DataFrame:
    """Return KEPT_SHOTS with query, text and negative as they stand now, null where they are gone; and ``holds``."""
    pairs = showable_pairs(documents, positives, cfg).select("query_id", "query", "doc_id", "text")
    negatives = kept(documents).select(F.col("doc_id").alias("negative_id"), F.col("text").alias("negative"))
    known = positives.select("query_id", F.col("doc_id").alias("negative_id"), F.lit(True).alias("is_known")).distinct()
    found = (
        earlier.join(pairs, ["query_id", "doc_id"], how="left")
        .join(negatives, "negative_id", how="left")
        .join(known, ["query_id", "negative_id"], how="left")
    )
    return found.withColumn("holds", (F.col("shown") == _shown()) & F.col("is_known").isNull())


def _domain_id() -> Column:
    return hash_column(F.col("domain")).alias("domain_id")


def _shown() -> Column:
    """Return the hash of what a shot shows, and of which documents: null where nothing is found counts as empty."""
    return hash_column(*[F.col(name) for name in ("query_id", "doc_id", "negative_id", "query", "text", "negative")])
