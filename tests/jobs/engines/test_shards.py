"""Shards of vectors: the same whatever table they come from, and every fault of that table by name."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.engines.shards import ShardFacts, lay_out_shards, open_shard, read_facts, write_shard
from jobs.runtime.failures import house_error
from schemas.errors import ShardError

SHAPE = "doc_id string, vector array<float>"


def table(spark, vectors: dict[str, list[float]], partitions: int = 2):
    return spark.createDataFrame(list(vectors.items()), SHAPE).repartition(partitions)


def fault_of(spark, folder, rows: list[tuple[str, list[float]]], shards: int = 1) -> str:
    """Return what is said of broken vectors, as the stage would say it."""
    with pytest.raises(Exception, match="embeddings must") as caught:
        lay_out_shards(spark.createDataFrame(rows, SHAPE), "doc_id", len(rows), folder, rows=-(-len(rows) // shards))
    found = caught.value if isinstance(caught.value, ShardError) else house_error(str(caught.value))
    assert isinstance(found, ShardError)
    return str(found)


def test_one_screen_example(spark, tmp_path):
    vectors = {f"d{i}": [float(i), 1.0] for i in range(10)}

    facts = lay_out_shards(table(spark, vectors), "doc_id", 10, tmp_path / "shards", rows=4)

    assert (facts.vectors, facts.width, len(facts.rows)) == (10, 2, 3)
    assert facts == read_facts(tmp_path / "shards")
    found = {}
    for number, rows in enumerate(facts.rows):
        if rows:
            with open_shard(tmp_path / "shards", facts, number) as stored:
                names = [name.decode() for name in stored.ids]
                assert names == sorted(names)
                found |= dict(zip(names, stored.matrix.tolist(), strict=True))
    assert found == vectors


@pytest.mark.engine
def test_shards_are_the_same_bytes_however_the_table_is_cut(spark, tmp_path):
    drawn = np.random.default_rng(2).normal(size=(3000, 8)).astype(np.float32)
    vectors = {f"d{i}": row.tolist() for i, row in enumerate(drawn)}
    read = []
    for partitions in (1, 2, 7):
        home = tmp_path / str(partitions)
        lay_out_shards(table(spark, vectors, partitions), "doc_id", 3000, home, "IVF4,SQ8", rows=1000)
        read.append({str(each.relative_to(home)): each.read_bytes() for each in sorted(home.rglob("*.*"))})
    assert read[0] == read[1] == read[2]
    assert sum(name.endswith("index.faiss") for name in read[0]) == 3


def test_no_vectors_are_no_fault(spark, tmp_path):
    assert lay_out_shards(table(spark, {}), "doc_id", 0, tmp_path / "s") == ShardFacts(0, 0, "Flat", [0])


def test_an_id_of_two_vectors_is_named(spark, tmp_path):
    said = fault_of(spark, tmp_path / "s", [("a", [1.0]), ("b", [1.0]), ("a", [0.5])], 2)
    assert said.startswith("embeddings must have one vector per id, got two for a; try building")


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_vector_that_is_no_number_is_named(spark, tmp_path, odd):
    said = fault_of(spark, tmp_path / "s", [("a", [1.0, 0.0]), ("b", [odd, 1.0])])
    assert said.startswith("embeddings must be finite numbers, got others for b; try building")


@pytest.mark.parametrize("shards", [1, 3])
def test_vectors_of_two_widths_are_refused_in_one_shard_and_across(spark, tmp_path, shards):
    rows = [(f"d{i}", [1.0] * (2 + i % 2)) for i in range(12)] if shards == 1 else [("a", [1.0]), ("b", [1.0, 0.0])]
    assert fault_of(spark, tmp_path / "s", rows, shards).startswith("embeddings must all have one width, got ")


def test_folders_that_were_never_completed_are_named(tmp_path):
    write_shard(["a"], np.ones((1, 2), np.float32), tmp_path / "shard-00000")
    with pytest.raises(ShardError, match="holds no complete shards"):
        read_facts(tmp_path)


def test_a_task_that_runs_twice_leaves_one_shard(tmp_path):
    for _ in range(2):
        write_shard(["a", "b"], np.ones((2, 2), np.float32), tmp_path / "shard-00000")
    assert [path.name for path in tmp_path.iterdir()] == ["shard-00000"]
