"""LSH buckets: which texts share a band, who is the hub of each bucket, and which buckets still hide a pair.

Whole partitions are sorted as arrays, 16 bytes a band of a text: a shuffle of pairs of numbers, and no window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.similarity.shingles import I64, mix

MEMBERS = "bucket long, node long, hub long, count long, alike long"
_ROWS = 1 << 16


def fill_buckets(signatures: DataFrame) -> DataFrame:
    """List the members of the buckets that hold more than one text.

    In:   SIGNATURES.
    Out:  MEMBERS: the bucket's smallest text is its hub; ``alike`` is equal for buckets of the same members.
    Cost: one shuffle of 16 bytes a band; a partition's share of them in memory.
    """
    keyed = signatures.select(F.explode("bands").alias("bucket"), "node")
    return keyed.repartition("bucket").mapInArrow(_group_members, MEMBERS)


@dataclass(frozen=True)
class Buckets:
    """The buckets that hold more than one text: ``nodes[starts[i]:starts[i] + counts[i]]`` are bucket i's."""

    keys: I64  # (B,) in rising order
    starts: I64  # (B,)
    counts: I64  # (B,)
    nodes: I64  # (M,)

    def each(self, per_bucket: I64) -> I64:
        """Return a bucket's value for each of its members, (M,)."""
        return np.repeat(per_bucket, self.counts)

    @property
    def hubs(self) -> I64:
        """The smallest text of each bucket, (B,)."""
        return np.minimum.reduceat(self.nodes, self.starts) if len(self.starts) else self.starts

    @property
    def alike(self) -> I64:
        """A number for the members of each bucket: equal for buckets of the same ones, (B,)."""
        if not len(self.starts):
            return self.starts
        return np.add.reduceat(mix(self.nodes.view(np.uint64)), self.starts).view(np.int64)


def keep_shared(buckets: I64, nodes: I64) -> tuple[I64, I64]:
    """Leave out of (bucket, node) rows those whose bucket holds no other, most of them; a few of these may stay.

    Cost: one sort of the buckets, which is quicker without their nodes.
    """
    ordered = np.sort(buckets)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    slots = (1 << (8 * len(again)).bit_length()) - 1  # buckets are hashes: one in eight of the others falls into a slot
    is_taken = np.zeros(slots + 1, np.bool_)
    is_taken[again & slots] = True
    places = np.flatnonzero(is_taken[buckets & slots])
    return buckets[places], nodes[places]


def group_buckets(buckets: I64, nodes: I64) -> Buckets:
    """Return the buckets of (bucket, node) rows that hold more than one. Cost: one sort."""
    order = np.argsort(buckets)
    buckets, nodes = buckets[order], nodes[order]
    starts = np.flatnonzero(np.concatenate([[True], buckets[1:] != buckets[:-1]])) if len(buckets) else order
    counts = np.diff(starts, append=len(buckets))
    shared = counts > 1
    keys, counts, nodes = buckets[starts[shared]], counts[shared], nodes[np.repeat(shared, counts)]
    return Buckets(keys, np.cumsum(counts) - counts, counts, nodes)


def _group_members(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Return the MEMBERS of the buckets of one partition."""
    held = [(batch.column("bucket").to_numpy(), batch.column("node").to_numpy()) for batch in batches]
    if not held:
        return
    found = group_buckets(*keep_shared(*(np.concatenate(side) for side in zip(*held, strict=True))))
    columns = [found.each(found.keys), found.nodes, *map(found.each, (found.hubs, found.counts, found.alike))]
    rows = pa.RecordBatch.from_arrays(
        [pa.array(column) for column in columns], names=["bucket", "node", "hub", "count", "alike"]
    )
    for first in range(0, rows.num_rows, _ROWS):
        yield rows.slice(first, _ROWS)


def ask_open(members: DataFrame, roots: DataFrame) -> DataFrame:
    """List the buckets whose members lie in several components, each set of members once.

    In:   MEMBERS; (node, root) of the components so far.
    Out:  bucket, node, root. Buckets of two are left out: hub and text were compared.
    Cost: shuffles of the members of buckets of three and more.
    """
    rooted = (
        members.where(F.col("count") > 2).join(roots, "node", how="left").withColumn("root", F.coalesce("root", "node"))
    )
    bucket = Window.partitionBy("bucket")
    opened = rooted.withColumns({"lowest": F.min("root").over(bucket), "highest": F.max("root").over(bucket)}).where(
        F.col("lowest") != F.col("highest")
    )
    first = F.min("bucket").over(Window.partitionBy("alike", "count"))
    return opened.withColumn("first", first).where(F.col("first") == F.col("bucket")).select("bucket", "node", "root")
