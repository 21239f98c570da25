"""What a dataset is compared by with the one published before it: its measures, and how far they may drift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.compare.config import AuditConfig
from pipeline.contract import kept
from schemas.mining import VETOED

_PRECISION = 1_000_000  # of fractions, which are summed as whole numbers: a sum of floats depends on its order
_DECIMALS = 6


@dataclass(frozen=True)
class Drift:
    """One measure of both versions: ``amount`` is held against the setting named ``limit``."""

    limit: str
    of: str
    before: float
    now: float
    amount: float


def describe_examples(examples: DataFrame) -> DataFrame:
    """Return (stage, rows, query_chars, positive_chars, negatives, negative_chars) of the rows in batches, as sums.

    In:   EXAMPLES.
    """
    lengths = F.aggregate("negatives", F.lit(0), lambda total, text: total + F.length(text))
    return (
        kept(examples)
        .groupBy("stage")
        .agg(
            F.count("*").alias("rows"),
            F.sum(F.length("query")).alias("query_chars"),
            F.sum(F.length("positive")).alias("positive_chars"),
            F.sum(F.size("negatives")).alias("negatives"),
            F.sum(lengths).alias("negative_chars"),
        )
    )


def describe_verdicts(verdicts: DataFrame) -> DataFrame:
    """Return one row: candidates, vetoed, kept, and the sum of the kept ones' cosines in millionths.

    In:   VERDICTS.
    """
    is_kept = F.col("drop_reason").isNull()
    millionths = F.round(F.col("dense") * _PRECISION).cast("long")
    return verdicts.where(~F.col("is_positive")).agg(
        F.count("*").alias("candidates"),
        _count(F.col("verdict") == VETOED).alias("vetoed"),
        _count(is_kept).alias("kept"),
        F.coalesce(F.sum(F.when(is_kept, millionths)), F.lit(0)).alias("cosines"),
    )


def _count(condition: Column) -> Column:
    return F.coalesce(F.sum(condition.cast("long")), F.lit(0))


def statistics(stages: list[dict[str, Any]], ledger: Mapping[str, int]) -> dict[str, Any]:
    """Return the measures as the manifest of a version has them, from the collected rows of both descriptions."""
    found: dict[str, Any] = {}
    for row in sorted(stages, key=lambda each: int(each["stage"])):
        means = {
            "mean_query_chars": row["query_chars"] / row["rows"],
            "mean_positive_chars": row["positive_chars"] / row["rows"],
        }
        if row["negatives"]:
            means["mean_negative_chars"] = row["negative_chars"] / row["negatives"]
        rounded = {name: round(value, _DECIMALS) for name, value in means.items()}
        found[f"stage{row['stage']}"] = {"rows": row["rows"], **rounded}
    if ledger["kept"]:
        found["hardness"] = round(ledger["cosines"] / _PRECISION / ledger["kept"], _DECIMALS)
    if ledger["candidates"]:
        found["veto_rate"] = round(ledger["vetoed"] / ledger["candidates"], _DECIMALS)
    return found


def find_drift(before: Mapping[str, Any], now: Mapping[str, Any], cfg: AuditConfig) -> list[Drift]:
    """Return every measure of two manifests beside each other, within its limit or not."""
    old, new = before["statistics"], now["statistics"]
    found: list[Drift] = []
    for stage in ("stage1", "stage2"):
        if old.get(stage, {}).get("rows", 0) >= max(1, cfg.min_rows):
            found += _stage_drift(stage, old[stage], new.get(stage, {"rows": 0}))
    for name in ("hardness", "veto_rate"):
        if name in old and name in new and old.get("stage2", {}).get("rows", 0) >= max(1, cfg.min_rows):
            found.append(Drift(name, name, old[name], new[name], abs(new[name] - old[name])))
    if old.get("stage1", {}).get("rows", 0) >= max(1, cfg.min_rows):
        found += _domain_drift(_shares(before["rows"]), _shares(now["rows"]))
    return found


def _stage_drift(stage: str, old: Mapping[str, float], new: Mapping[str, float]) -> Iterator[Drift]:
    change = new["rows"] / old["rows"] - 1
    yield Drift("rows_lost", stage, old["rows"], new["rows"], max(0.0, -change))
    yield Drift("rows_gained", stage, old["rows"], new["rows"], max(0.0, change))
    for name in sorted(old.keys() & new.keys() - {"rows"}):
        if old[name]:
            yield Drift("length", f"{stage}.{name}", old[name], new[name], abs(new[name] / old[name] - 1))


def _domain_drift(old: Mapping[str, float], new: Mapping[str, float]) -> Iterator[Drift]:
    for name in sorted({*old, *new}):
        was, is_now = old.get(name, 0.0), new.get(name, 0.0)
        yield Drift("domain_share", name, was, is_now, abs(is_now - was))
        if name not in new:
            yield Drift("domain_lost", name, was, 0.0, was)


def _shares(rows: list[Mapping[str, Any]]) -> dict[str, float]:
    """Return each domain's share of the rows of stage 1."""
    counts: dict[str, int] = {}
    for row in rows:
        if row["stage"] == 1:
            counts[row["domain"]] = counts.get(row["domain"], 0) + row["rows"]
    total = sum(counts.values())
    return {name: round(count / total, _DECIMALS) for name, count in counts.items()}
