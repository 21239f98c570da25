"""Dense search made ready: shards laid out, the index chosen by size, and its recall certified on a sample.

Where every document is compared nothing needs proof. Where the index is approximate, it is told to look harder until
it finds enough of what an exact search finds for a sample of the queries; then another sample, which had no part in
that choice, says what its recall is. Both are drawn by hash. Below the recipe's bound the stage fails: negatives that a
search missed are the hard ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engines.faiss import OpenFaiss
from jobs.engines.indexes import FLAT, choose_factory, efforts_of
from jobs.engines.shards import ROWS, lay_out_shards
from pipeline.ids import unit_column
from pipeline.mine.config import MineConfig
from pipeline.search.dense import plan_spans, retrieve_nearest
from schemas.errors import EngineError

CERTIFIED = 200  # queries of the certificate, and half as many to choose by
_INTERVAL = 1.96  # standard errors of a 95 % interval


@dataclass(frozen=True)
class DenseSearch:
    """What finds the nearest documents of query vectors; ``figures`` are for the stage's note."""

    opener: OpenFaiss
    spans: int
    figures: dict[str, Any]

    def find(self, queries: DataFrame, depth: int) -> DataFrame:
        """Return the nearest documents, as ``retrieve_nearest`` does."""
        return retrieve_nearest(queries, self.opener, depth, self.spans)

    def remark(self) -> str:
        """Return what is found of what is there, in a few words; empty where nothing can be missed."""
        if "recall" not in self.figures:
            return ""
        told = self.figures["recall"]
        return (
            f"{self.figures['factory']} found {told['mean']:.1%} ({told['low']:.1%} to {told['high']:.1%}) of what an "
            f"exact search finds for {told['queries']} queries"
        )


def build_search(
    documents: DataFrame,
    queries: DataFrame,
    counts: tuple[int, int],
    depth: int,
    cfg: MineConfig,
    seed: int,
    home: Path,
) -> DenseSearch:
    """Lay out the documents' vectors in ``home`` and choose how they are searched.

    In:     (doc_id, vector) and (query_id, vector), each id once; how many of both; hits wanted a query.
    Cost:   ``lay_out_shards``; an approximate index also searches up to 300 queries a few times.
    Raises: EngineError when the index finds less than ``mine.least_recall`` of what is there.
    """
    cores = documents.sparkSession.sparkContext.defaultParallelism
    factory = choose_factory(cfg.factory, *counts, ROWS)
    facts = lay_out_shards(documents, "doc_id", counts[0], home, factory, ROWS)
    spans = plan_spans(counts[1], len(facts.rows), cores)
    figures = {"factory": factory, "shards": len(facts.rows), "documents": facts.vectors, "spans": spans}
    opener = OpenFaiss(str(home))
    if factory == FLAT or not counts[1] or not facts.vectors:
        return DenseSearch(opener, spans, figures)
    opener, recall = _certify(queries, opener, factory, depth, len(facts.rows), cfg, seed)
    return DenseSearch(opener, spans, {**figures, "effort": opener.effort, "recall": recall})


def _certify(
    queries: DataFrame, opener: OpenFaiss, factory: str, depth: int, shards: int, cfg: MineConfig, seed: int
) -> tuple[OpenFaiss, dict[str, Any]]:
    """Return the opener that looks hard enough, and its recall on queries that it was not chosen by."""
    drawn = queries.orderBy(unit_column(seed, F.lit("recall"), F.col("query_id")), "query_id").limit(CERTIFIED * 3 // 2)
    rows = [(row["query_id"], row["vector"]) for row in drawn.collect()]
    chosen_by, certified = rows[: len(rows) // 3] or rows, rows[len(rows) // 3 :]
    spark = queries.sparkSession

    def ask(sample: list[Any], by: OpenFaiss) -> dict[str, set[str]]:
        frame = spark.createDataFrame(sample, "query_id string, vector array<float>")
        found: dict[str, set[str]] = {query: set() for query, _ in sample}
        for row in retrieve_nearest(frame, by, depth, shards).collect():
            found[row["query_id"]].add(row["doc_id"])
        return found

    exact = OpenFaiss(opener.folder, exact=True)
    truth = ask(chosen_by, exact)
    for effort in efforts_of(factory):
        opener = OpenFaiss(opener.folder, effort)
        if measure_recall(ask(chosen_by, opener), truth)["mean"] >= (1 + cfg.least_recall) / 2:
            break
    recall = measure_recall(ask(certified, opener), ask(certified, exact))
    if recall["mean"] < cfg.least_recall:
        raise EngineError(
            f"mine.factory must find at least {cfg.least_recall:.1%} of the {depth} nearest documents "
            f"(mine.least_recall), got {recall['mean']:.1%} with {factory} for {recall['queries']} queries; "
            "try mine.factory: Flat, or HNSW64"
        )
    return opener, {**recall, "depth": depth, "least": cfg.least_recall}


def measure_recall(found: dict[str, set[str]], truth: dict[str, set[str]]) -> dict[str, Any]:
    """Return the share of the truth that was found, the mean over queries, with its 95 % interval over them."""
    shares = [len(found[query] & there) / len(there) for query, there in truth.items() if there]
    mean = sum(shares) / len(shares)
    spread = sum((share - mean) ** 2 for share in shares) / max(1, len(shares) - 1)
    width = _INTERVAL * (spread / len(shares)) ** 0.5
    low, high = max(0.0, mean - width), min(1.0, mean + width)
    return {"queries": len(shares), "mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4)}
