"""faiss against exact neighbours in numpy: scores, ties, batches, and broken input."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs.engines.faiss import FaissIndex, OpenFaiss
from jobs.engines.shards import seal_shards, shard_folder, write_shard
from pipeline.search.dense import retrieve_nearest
from schemas.errors import EngineError, RecipeError, ShardError

pytestmark = pytest.mark.engine
WIDTH = 24


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def stored(folder: Path, ids: list[str], vectors: np.ndarray, factory: str = "Flat", shards: int = 3) -> Path:
    """Lay out vectors for searching, in no order, over several shards."""
    shuffled = np.random.default_rng(1).permutation(len(ids))
    held = np.array_split(shuffled, shards)
    folder.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(held):
        if len(rows):
            write_shard([ids[row] for row in rows], vectors[rows], shard_folder(folder, number), factory)
    seal_shards(folder, [len(rows) for rows in held], {vectors.shape[1]}, factory)
    return folder


def exact(queries: np.ndarray, ids: list[str], vectors: np.ndarray, k: int) -> list[list[tuple[str, float]]]:
    scores = np.round(queries.astype(np.float64) @ vectors.astype(np.float64).T, 6)
    return [sorted(zip(ids, row.tolist(), strict=True), key=lambda hit: (-hit[1], hit[0]))[:k] for row in scores]


@pytest.mark.parametrize("shards", [1, 4, 600])
@pytest.mark.parametrize("k", [1, 10, 499, 500, 900])
def test_neighbours_are_the_exact_ones(tmp_path, k, shards):
    ids, vectors, queries = [f"d{i:03}" for i in range(500)], unit(500, 2), unit(40, 3)

    with FaissIndex(stored(tmp_path, ids, vectors, shards=shards)) as index:
        found = index.search(queries, k)

    assert [[(hit.doc_id, hit.score) for hit in hits] for hits in found] == exact(queries, ids, vectors, k)
    assert [hit.rank for hit in found[0]] == list(range(1, min(k, 500) + 1))


def test_a_tie_wider_than_what_faiss_returns_goes_by_id(tmp_path):
    ids, vectors = [f"d{i:04}" for i in range(2000)], unit(2000, 4)
    vectors[100:1700] = vectors[100]  # 1,600 documents with one vector

    with FaissIndex(stored(tmp_path, ids, vectors)) as index:
        hits = index.search(vectors[100:101], 5)[0]

    assert [hit.doc_id for hit in hits] == [f"d{i:04}" for i in range(100, 105)]


def test_results_do_not_depend_on_the_batch(tmp_path):
    ids, vectors, queries = [f"d{i}" for i in range(3000)], unit(3000, 5), unit(700, 6)
    with FaissIndex(stored(tmp_path, ids, vectors)) as index:
        whole = index.search(queries, 20)
        assert [hit for row in range(60) for hit in index.search(queries[row : row + 1], 20)] == whole[:60]
        assert index.search(queries[::-3], 20) == whole[::-3]


@pytest.mark.parametrize(("partitions", "spans"), [(1, 1), (3, 1), (1, 3), (3, 2)])
def test_spark_workers_find_the_same(spark, tmp_path, partitions, spans):
    ids, vectors, queries = [f"d{i:03}" for i in range(300)], unit(300, 7), unit(20, 8)
    folder = stored(tmp_path, ids, vectors)
    frame = spark.createDataFrame(
        [(f"q{i:02}", vector.tolist()) for i, vector in enumerate(queries)], "query_id string, vector array<float>"
    )

    rows = retrieve_nearest(frame.repartition(partitions), OpenFaiss(str(folder)), 4, spans).collect()

    got = sorted((row.query_id, row["rank"], row.doc_id, row.score) for row in rows)
    expected = enumerate(exact(queries, ids, vectors, 4))
    assert got == [(f"q{q:02}", rank, *hit) for q, hits in expected for rank, hit in enumerate(hits, start=1)]


@pytest.mark.parametrize("factory", ["HNSW32", "IVF4,SQ8"])
def test_a_factory_finds_most_neighbours_and_the_same_in_every_build(tmp_path, factory):
    ids, vectors, queries = [f"d{i:04}" for i in range(2000)], unit(2000, 9), unit(50, 10)
    vectors += 2 * unit(20, 11).repeat(100, axis=0)  # clusters, as texts have
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[::40] + 0.02 * queries

    found = []
    for build in ("one", "two"):
        with FaissIndex(stored(tmp_path / build, ids, vectors, factory)) as index:
            found.append(index.search(queries, 10))

    assert found[0] == found[1]
    truth = exact(queries, ids, vectors, 10)
    share = [
        len({hit.doc_id for hit in hits} & {doc for doc, _ in best}) / 10
        for hits, best in zip(found[0], truth, strict=True)
    ]
    assert np.mean(share) > 0.8


def test_no_documents_or_no_queries_give_no_hits(tmp_path):
    with FaissIndex(stored(tmp_path / "none", [], unit(0, 1))) as index:
        assert index.search(unit(2, 1), 5) == [[], []]
    with FaissIndex(stored(tmp_path / "some", ["a"], unit(1, 1))) as index:
        assert index.search(unit(0, 1), 5) == []
        assert index.search(unit(1, 1), 0) == [[]]


def test_an_impossible_factory_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"mine.factory must be an index factory string of faiss, got 'Flatt'"):
        stored(tmp_path, ["a", "b", "c"], unit(3, 1), "Flatt")


def test_more_clusters_than_documents_are_an_engine_error(tmp_path):
    with pytest.raises(EngineError, match=r"could not build IVF512,Flat over 3 vectors.*try mine.factory: Flat"):
        stored(tmp_path, ["a", "b", "c"], unit(3, 1), "IVF512,Flat", shards=1)


def test_queries_of_another_width_are_refused(tmp_path):
    with (
        FaissIndex(stored(tmp_path, ["a", "b", "c"], unit(3, 1))) as index,
        pytest.raises(EngineError, match="queries must be of 24 dimensions, got 5"),
    ):
        index.search(np.ones((1, 5), np.float32), 1)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_queries_that_are_no_numbers_are_refused(tmp_path, odd):
    queries = unit(2, 1)
    queries[1, 3] = odd
    with (
        FaissIndex(stored(tmp_path, ["a", "b", "c"], unit(3, 1))) as index,
        pytest.raises(EngineError, match="vectors of queries must be finite numbers"),
    ):
        index.search(queries, 1)


def test_a_missing_shard_is_an_error_and_no_smaller_corpus(tmp_path):
    folder = stored(tmp_path, [f"d{i}" for i in range(9)], unit(9, 1))
    with FaissIndex(folder) as index:
        shutil.rmtree(shard_folder(folder, 1))
        with pytest.raises(ShardError, match=r"shard 1 of 3 must be in .*, got nothing; try building the stage"):
            index.search(unit(1, 2), 2)


def test_a_shard_that_lost_rows_is_an_error(tmp_path):
    folder = stored(tmp_path, [f"d{i}" for i in range(9)], unit(9, 1))
    shutil.rmtree(shard_folder(folder, 2))
    write_shard(["d1"], unit(1, 1), shard_folder(folder, 2))
    with (
        FaissIndex(folder) as index,
        pytest.raises(ShardError, match=r"shard 2 in .* must hold 3 x 24 numbers, got 1 x"),
    ):
        index.search(unit(1, 2), 2)
