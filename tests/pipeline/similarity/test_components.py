"""Components are those of a plain union-find, by one task and by rounds."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipeline.similarity.components import LOCAL_EDGES, connect_components

BOTH_WAYS = pytest.mark.parametrize("local_edges", [LOCAL_EDGES, -1], ids=["one task", "rounds"])


def frame(spark: SparkSession, edges: list[tuple[int, int]], partitions: int = 2) -> DataFrame:
    return spark.createDataFrame(edges, "left long, right long").repartition(partitions)


def found(frame: DataFrame) -> dict[int, int]:
    rows = frame.collect()
    assert len({row["node"] for row in rows}) == len(rows)
    return {row["node"]: row["root"] for row in rows}


@BOTH_WAYS
def test_one_screen_example(spark, local_edges):
    edges = [(3, 2), (2, 1), (7, 8), (8, 7), (5, 5)]

    got = found(connect_components(frame(spark, edges), local_edges=local_edges))

    assert got == {1: 1, 2: 1, 3: 1, 7: 7, 8: 7}  # 5 has no edge to another node


@BOTH_WAYS
@pytest.mark.parametrize(("seed", "partitions"), [(1, 1), (2, 2), (3, 7)])
def test_random_graphs_as_union_find_says(spark, union_find, local_edges, seed, partitions):
    rng = random.Random(seed)
    names = [rng.randrange(-(2**63), 2**63) for _ in range(300)]
    edges = [(rng.choice(names), rng.choice(names)) for _ in range(220)]

    got = found(connect_components(frame(spark, edges, partitions), local_edges=local_edges))

    assert got == union_find(edges)


@BOTH_WAYS
def test_no_edges_no_components(spark, local_edges):
    assert found(connect_components(frame(spark, []), local_edges=local_edges)) == {}


def test_a_chain_is_joined_in_logarithmically_many_rounds(spark):
    names = random.Random(3).sample(range(10**9), 2_000)
    rounds = []

    def cut(frame: DataFrame) -> DataFrame:
        rounds.append(1)
        return frame.localCheckpoint()

    got = found(connect_components(frame(spark, list(pairwise(names))), cut, local_edges=-1))

    assert set(got.values()) == {min(names)}
    assert len(got) == 2_000
    assert len(rounds) <= 13  # the first frame, then at most log2(2000) = 11 rounds and one that changes nothing
