"""Dense search made ready: exact where it can be, else certified on a sample, and refused below the bound."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.engines import dense
from jobs.engines.dense import build_search, measure_recall
from pipeline.mine.config import MineConfig
from schemas.errors import EngineError

pytestmark = pytest.mark.engine
WIDTH, DEPTH = 16, 10


def clusters(rows: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    vectors = np.random.default_rng(0).normal(size=(40, WIDTH))[draw.integers(0, 40, rows)]
    vectors = vectors + 0.5 * draw.normal(size=(rows, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def frames(spark):
    documents = spark.createDataFrame(
        [(f"d{i:04}", row.tolist()) for i, row in enumerate(clusters(3000, 1))], "doc_id string, vector array<float>"
    )
    queries = spark.createDataFrame(
        [(f"q{i:02}", row.tolist()) for i, row in enumerate(clusters(60, 2))], "query_id string, vector array<float>"
    )
    return documents.cache(), queries.cache()


def hits_of(search, queries) -> list[tuple[object, ...]]:
    return sorted(map(tuple, search.find(queries, DEPTH).collect()))


def test_shards_and_spans_change_no_hit(frames, tmp_path, monkeypatch):
    found = []
    for rows in (10_000, 700):
        monkeypatch.setattr(dense, "ROWS", rows)
        search = build_search(*frames, (3000, 60), DEPTH, MineConfig(), 13, tmp_path / str(rows))
        found.append(hits_of(search, frames[1]))
        assert "recall" not in search.figures
        assert search.remark() == ""
    assert found[0] == found[1]
    assert (search.figures["shards"], search.figures["spans"]) == (5, 4)


def test_an_approximate_index_says_what_it_finds(frames, tmp_path):
    cfg = MineConfig(factory="IVF8,SQ8", least_recall=0.9)

    search = build_search(*frames, (3000, 60), DEPTH, cfg, 13, tmp_path / "s")

    told = search.figures["recall"]
    assert told["mean"] >= 0.9
    assert (told["queries"], told["depth"], told["least"]) == (40, DEPTH, 0.9)
    assert "of what an exact search finds for 40 queries" in search.remark()
    exact = build_search(*frames, (3000, 60), DEPTH, MineConfig(), 13, tmp_path / "e")
    shared = set(hits_of(search, frames[1])) & set(hits_of(exact, frames[1]))
    assert len(shared) / (60 * DEPTH) > 0.8


def test_an_index_that_finds_too_little_fails_with_a_way_out(frames, tmp_path):
    cfg = MineConfig(factory="PQ2x4", least_recall=0.95)
    with pytest.raises(
        EngineError, match=r"at least 95.0% of the 10 nearest .*least_recall.*got .*PQ2x4.*factory: Flat"
    ):
        build_search(*frames, (3000, 60), DEPTH, cfg, 13, tmp_path / "s")


def test_no_queries_and_no_documents_need_no_certificate(frames, tmp_path):
    cfg = MineConfig(factory="IVF8,SQ8")
    none = frames[1].limit(0)
    search = build_search(frames[0], none, (3000, 0), DEPTH, cfg, 13, tmp_path / "s")
    assert hits_of(search, none) == []
    search = build_search(frames[0].limit(0), frames[1], (0, 60), DEPTH, MineConfig(), 13, tmp_path / "n")
    assert hits_of(search, frames[1]) == []


def test_recall_is_a_mean_over_queries_with_its_interval():
    truth = {"a": {"1", "2"}, "b": {"1", "2"}, "none": set()}
    told = measure_recall({"a": {"1", "2"}, "b": {"1", "9"}, "none": set()}, truth)
    assert told == {"queries": 2, "mean": 0.75, "low": 0.26, "high": 1.0}
