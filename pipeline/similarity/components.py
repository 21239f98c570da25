"""Connected components of a graph given as edges, without bringing it to the driver.

Up to ``LOCAL_EDGES`` edges one task joins them all (64 MB, about two seconds). Beyond that the large-star and the
small-star operation alternate until nothing changes: a round is two shuffles of the edges, the number of edges
never grows, and the number of rounds is logarithmic in practice (proven: log squared of the nodes).

Source: Kiveris et al., "Connected Components in MapReduce and Beyond" (2014).
Known weakness: the rounds run one after the other, so tiny graphs would pay for the scheduling; hence the one task.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.plans import Cut, cut_lineage
from pipeline.similarity.shingles import I64

LOCAL_EDGES = 4_000_000
_ROWS = 1 << 16


def connect_components(edges: DataFrame, cut: Cut = cut_lineage, local_edges: int = LOCAL_EDGES) -> DataFrame:
    """Name every node of the graph after the smallest node that it is connected to.

    In:   ``left``, ``right`` (long), computed already, in any order and direction, with repetitions.
    Out:  ``node``, ``root``, one row per node that has an edge to another node.
    Cost: one count and one task up to ``local_edges`` edges, else O(log of the longest path) jobs.
    """
    if edges.count() <= local_edges:
        return edges.select("left", "right").coalesce(1).mapInArrow(_join_edges, "node long, root long")
    high, low = F.greatest("left", "right").alias("left"), F.least("left", "right").alias("right")
    stars = cut(edges.select(high, low).where(F.col("left") != F.col("right")).distinct())
    state = _fingerprint(stars)
    while True:
        following = cut(_small_star(_large_star(stars)))
        now = _fingerprint(following)
        stars, changed, state = following, now != state, now
        if not changed:
            break
    members = stars.select(F.col("left").alias("node"), F.col("right").alias("root"))
    return members.union(members.select(F.col("root").alias("node"), "root").distinct())


def _fingerprint(edges: DataFrame) -> tuple[int, int]:
    """Return the number of edges and an order-free hash of them: equal when a round changed nothing."""
    row = edges.agg(F.count("*"), F.coalesce(F.bit_xor(F.xxhash64("left", "right")), F.lit(0))).collect()[0]
    return int(row[0]), int(row[1])


def _large_star(edges: DataFrame) -> DataFrame:
    """Tie every larger neighbour of a node to the smallest node of its neighbourhood (itself included)."""
    both = edges.unionByName(edges.select(F.col("right").alias("left"), F.col("left").alias("right")))
    smallest = F.least("left", F.min("right").over(Window.partitionBy("left")))
    tied = both.select("left", F.col("right").alias("neighbour"), smallest.alias("right"))
    return tied.where(F.col("neighbour") > F.col("left")).select(F.col("neighbour").alias("left"), "right").distinct()


def _small_star(edges: DataFrame) -> DataFrame:
    """Tie a node and its smaller neighbours to the smallest of them; ``left`` is the larger end of every edge."""
    smallest = F.min("right").over(Window.partitionBy("left"))
    tied = edges.select("left", F.col("right").alias("neighbour"), smallest.alias("right"))
    neighbours = tied.select(F.col("neighbour").alias("left"), "right").where(F.col("left") != F.col("right"))
    return neighbours.union(tied.select("left", "right")).distinct()


def _join_edges(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Return (node, root) of all the edges of the one partition."""
    table = pa.Table.from_batches(list(batches) or [pa.RecordBatch.from_pydict(_NO_EDGES)])
    nodes, roots = join_edges(table["left"].to_numpy(), table["right"].to_numpy())
    for start in range(0, len(nodes), _ROWS):
        part = slice(start, start + _ROWS)
        yield pa.RecordBatch.from_arrays([pa.array(nodes[part]), pa.array(roots[part])], names=["node", "root"])


def join_edges(left: I64, right: I64) -> tuple[I64, I64]:
    """Return the nodes that have an edge to another one, in order, and the smallest node of each one's component."""
    from scipy.sparse import coo_array  # half a second of every worker that only signs texts, else
    from scipy.sparse.csgraph import connected_components

    real = left != right
    nodes, places = np.unique(np.concatenate([left[real], right[real]]), return_inverse=True)
    ends = np.split(places, 2)
    graph = coo_array((np.ones(len(ends[0]), np.bool_), (ends[0], ends[1])), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)  # nodes are sorted: a component's first is its smallest
    return nodes, nodes[first][labels]


_NO_EDGES = {"left": pa.array([], pa.int64()), "right": pa.array([], pa.int64())}
