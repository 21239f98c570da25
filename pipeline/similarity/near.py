"""Near-duplicate pairs: MinHash LSH proposes, true Jaccard decides, and copies never cost the square of their number.

All colliding pairs of a bucket would be quadratic; comparing every text with the bucket's smallest one only (its hub)
would lose pairs, because similarity is not transitive: b and c may be duplicates while neither is one of a. So:

1. Spokes. In every bucket, each text is compared with the hub: linear, and all that a bucket of copies needs.
2. Components of the verified pairs.
3. Rest. Only buckets that hold several components still can hide a pair. There each text outside the largest component
   is compared with every text of other components, at a nanosecond or so a shingle.

After that every colliding pair is either verified or already in one component, so the components are exactly
those of the graph of all colliding pairs with Jaccard >= threshold. Pairs within a component are not all listed.

Shingle sets are what is heavy here. They are moved once for the texts that are asked about, and stay where they are for
all others: what asks is a few numbers a row, counted first and sent to the sets while there are few of them.

Known weakness: a bucket of n texts that are alike but no duplicates (templates) costs n**2 / 2 comparisons in one
task.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.plans import FEW_ROWS, Cut, cut_lineage, send_few
from pipeline.similarity.buckets import ask_open, fill_buckets
from pipeline.similarity.components import connect_components
from pipeline.similarity.minhash import Signing, fold_bands, permutations_of, sign_sets
from pipeline.similarity.shingles import I64, U64, ShingleSets, jaccards, shingle_texts

SIGNATURES = "node long, digest long, size int, bands array<long>, shingles binary"
PAIRS = "left long, right long, jaccard double"

F64 = npt.NDArray[np.float64]
_In = TypeVar("_In")
_Out = TypeVar("_Out")

_SLICE_BYTES = 1 << 26  # text signed at a time: its shingles must fit one Arrow column of 2 GiB
_ITEM = 8  # bytes of a shingle hash
_SHINGLES = 1 << 20  # compared at a time


def node_of(column: str) -> Any:
    """Return the 64-bit number that stands for an id in signatures, edges and components."""
    return F.xxhash64(column)


def sign_texts(texts: DataFrame, signing: Signing) -> DataFrame:
    """Compute each text's shingle set, band keys and digest.

    In:    ``node`` (long), ``text``, and columns to carry along.
    Out:   the columns carried and SIGNATURES; a text without words has size 0 and no bands.
    Cost:  about 60,000 docstrings a second on one core; no shuffle.
    """
    carried = [name for name in texts.columns if name not in ("node", "text")]
    shape = [f"{name} {texts.schema[name].dataType.simpleString()}" for name in carried]
    read = texts.select(*carried, "node", "text")
    return read.mapInArrow(lambda rows: sign_batches(rows, signing), ", ".join([*shape, SIGNATURES]))


def sign_batches(batches: Iterator[pa.RecordBatch], signing: Signing, threads: int = 1) -> Iterator[pa.RecordBatch]:
    """Do what :func:`sign_texts` does, for batches, in their order; several ``threads`` read ahead of the signing."""
    banding = signing.banding
    factors, shifts = permutations_of(signing.seed, banding.bands * banding.rows)

    def sign(part: pa.RecordBatch) -> pa.RecordBatch:
        sets = shingle_texts(part.column("text"), signing.ngram)
        signed = _signature_columns(sets, fold_bands(sign_sets(sets, factors, shifts), banding))
        carried = {name: part.column(name) for name in part.schema.names if name != "text"}
        return pa.RecordBatch.from_pydict(carried | signed)

    parts = (part for batch in batches for part in _slice_by_bytes(batch))
    yield from _map(sign, parts, threads)


def link_near(signatures: DataFrame, threshold: float, cut: Cut = cut_lineage) -> DataFrame:
    """Find verified pairs whose components are those of all colliding pairs at or above the threshold.

    In:   SIGNATURES, computed already (it is read several times).
    Out:  PAIRS, computed, jaccard to 6 decimals; enough pairs to connect each component, not all of them.
    Cost: 4 jobs, 3 counts and one of ``connect_components``; see the module for the comparisons.
    """
    members = cut(fill_buckets(signatures))
    rows = members.count()
    spokes = members.where(F.col("node") != F.col("hub")).select("hub", "node").distinct()
    linked = cut(verify_spokes(spokes, signatures, signatures, threshold, rows))
    roots = send_few(connect_components(linked, cut), 2 * rows)
    asked = cut(ask_open(members, roots))
    questions = asked.count()
    if not questions:
        return linked
    return cut(linked.unionByName(_link_open(asked, signatures, threshold, questions)))


def verify_spokes(
    spokes: DataFrame,
    hubs: DataFrame,
    texts: DataFrame,
    threshold: float,
    rows: int = FEW_ROWS + 1,
) -> DataFrame:
    """Keep the pairs of a hub and a text whose true Jaccard similarity reaches the threshold.

    In:   ``hub``, ``node``, each pair once, at most so many ``rows``; the SIGNATURES of the hubs and of the texts.
    Out:  PAIRS, the hub on the left.
    Cost: a shuffle of each hub's set once, and of each text's set for each of its hubs.
    """
    centres = send_few(spokes.select("hub").distinct(), rows).join(
        hubs.select(F.col("node").alias("hub"), "shingles"), "hub", how="inner"
    )
    ends = send_few(spokes, rows).join(texts.select("node", "shingles"), "node", how="inner")
    both = ends.select("hub", "node", F.lit(1).alias("is_spoke"), "shingles").unionByName(
        centres.select("hub", F.col("hub").alias("node"), F.lit(0).alias("is_spoke"), "shingles")
    )
    ordered = both.repartition("hub").sortWithinPartitions("hub", "is_spoke", "node")

    def verify(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        centre: pa.RecordBatch | None = None  # the hub whose texts go on in the next batch
        for batch in filter(len, batches):
            whole = batch if centre is None else pa.concat_batches([centre, batch])
            places = np.flatnonzero(whole.column("is_spoke").to_numpy() == 0)
            yield _compare_spokes(whole, places, threshold)
            centre = whole.slice(int(places[-1]), 1)

    return ordered.mapInArrow(verify, PAIRS)


def _compare_spokes(rows: pa.RecordBatch, centres: I64, threshold: float) -> pa.RecordBatch:
    """Return the PAIRS among rows of which each hub stands before its texts; ``centres`` are the hubs' places."""
    centre_of = np.repeat(centres, np.diff(centres, append=rows.num_rows))
    texts = np.flatnonzero(centre_of != np.arange(rows.num_rows))
    found = compare_pairs(sets_of(rows.column("shingles")), centre_of[texts], texts)
    near = found >= threshold
    left, right = rows.column("hub").take(pa.array(texts[near])), rows.column("node").take(pa.array(texts[near]))
    return pa.RecordBatch.from_arrays([left, right, pa.array(found[near])], names=["left", "right", "jaccard"])


def compare_pairs(sets: ShingleSets, left: I64, right: I64, threads: int = 1) -> F64:
    """Return the Jaccard similarity of the sets at ``left`` and at ``right``, (P,), a million shingles at a time."""
    work = np.cumsum(sets.sizes[left] + sets.sizes[right])
    cuts = np.flatnonzero(np.diff(work // _SHINGLES)) + 1
    parts = zip(np.split(left, cuts), np.split(right, cuts), strict=True)
    return np.concatenate(list(_map(lambda pair: jaccards(*map(sets.take, pair)), parts, threads)))


def _map(work: Callable[[_In], _Out], items: Iterable[_In], threads: int) -> Iterator[_Out]:
    """Yield what becomes of each item, in their order; several threads have items wait in memory."""
    if threads == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[_Out]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            while waiting and waiting[0].done():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def sets_of(shingles: pa.BinaryArray) -> ShingleSets:
    """Return the sets that a column of SIGNATURES.shingles holds."""
    offsets = np.frombuffer(shingles.buffers()[1], np.int32)[shingles.offset : shingles.offset + len(shingles) + 1]
    bounds = (offsets - offsets[0]).astype(np.int64) // _ITEM
    data = shingles.buffers()[2]
    held = data.slice(int(offsets[0]), int(offsets[-1] - offsets[0])) if data is not None else b""
    return ShingleSets(np.frombuffer(held, np.uint64), bounds, np.zeros(len(shingles), np.uint64))


def _slice_by_bytes(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch so that each part holds about ``_SLICE_BYTES`` of text, or one text."""
    lengths = pa.compute.fill_null(pa.compute.binary_length(batch.column("text")), 0).to_numpy(zero_copy_only=False)
    part_of = np.cumsum(lengths, dtype=np.int64) // _SLICE_BYTES
    bounds = [0, *(np.flatnonzero(np.diff(part_of)) + 1).tolist(), batch.num_rows]
    for first, last in pairwise(bounds):
        yield batch.slice(first, last - first)


def _signature_columns(sets: ShingleSets, keys: U64) -> dict[str, pa.Array]:
    """Return the columns of SIGNATURES but for ``node``."""
    filled = sets.sizes > 0
    bounds = np.concatenate([[0], np.cumsum(filled * keys.shape[1])]).astype(np.int32)
    offsets = pa.py_buffer((sets.offsets * _ITEM).astype(np.int32))
    return {
        "digest": pa.array(sets.digests.view(np.int64)),
        "size": pa.array(sets.sizes.astype(np.int32)),
        "bands": pa.ListArray.from_arrays(pa.array(bounds), pa.array(keys[filled].view(np.int64).ravel())),
        "shingles": pa.Array.from_buffers(pa.binary(), len(filled), [None, offsets, pa.py_buffer(sets.values)]),
    }


def _link_open(asked: DataFrame, signatures: DataFrame, threshold: float, rows: int) -> DataFrame:
    """Verify what the spokes left open: pairs in one bucket, in different components, neither of them the hub."""
    questions = send_few(asked, rows).join(signatures.select("node", "shingles"), "node", how="inner")

    def link(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for bucket in _groups(batches, "bucket"):
            nodes = bucket["node"].to_numpy()
            sets = sets_of(bucket["shingles"].combine_chunks())
            left, right, found = link_bucket(sets, bucket["root"].to_numpy(), threshold)
            columns = [pa.array(nodes[left]), pa.array(nodes[right]), pa.array(found)]
            yield pa.RecordBatch.from_arrays(columns, names=["left", "right", "jaccard"])

    ordered = questions.select("bucket", "node", "root", "shingles").repartition("bucket")
    return ordered.sortWithinPartitions("bucket", "node").mapInArrow(link, PAIRS).distinct()


def link_bucket(
    sets: ShingleSets,
    roots: I64,
    threshold: float,
) -> tuple[I64, I64, F64]:
    """Return pairs (left, right, jaccard) that join every two components of a bucket between which one exists.

    A text of the largest component is never asked: each pair across components has an end outside of it.
    """
    vocabulary, terms = np.unique(sets.values, return_inverse=True)
    names, roots = np.unique(roots, return_inverse=True)
    largest = np.argmax(np.bincount(roots, minlength=len(names)))
    anchor = np.argmax(roots == largest)  # a text of the largest component, whatever that is called later
    sizes, starts = sets.sizes, sets.offsets[:-1]
    asked = np.zeros(len(vocabulary) + 1, np.int32)
    links: list[tuple[int, int, float]] = []
    for text in np.flatnonzero(roots != largest).tolist():
        if roots[text] == roots[anchor]:
            continue
        own = terms[sets.offsets[text] : sets.offsets[text + 1]]
        asked[own] = 1
        shared = np.add.reduceat(asked[terms], starts)
        asked[own] = 0
        similar = np.round(shared / (sizes + sizes[text] - shared), 6)
        for other in np.flatnonzero((similar >= threshold) & (roots != roots[text])).tolist():
            if roots[other] != roots[text]:
                links.append((text, other, float(similar[other])))
                roots[roots == roots[other]] = roots[text]
    left, right, found = (np.array(side) for side in zip(*links, strict=True)) if links else ([], [], [])
    return np.asarray(left, np.int64), np.asarray(right, np.int64), np.asarray(found, np.float64)


def _groups(batches: Iterator[pa.RecordBatch], key: str) -> Iterator[pa.Table]:
    """Yield the rows of each key, which come one after the other but may span batches."""
    pending: list[pa.RecordBatch] = []
    current = None
    for batch in batches:
        keys = batch.column(key).to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
        for first, last in pairwise(bounds):
            if first == last:
                continue
            if pending and keys[first] != current:
                yield pa.Table.from_batches(pending)
                pending = []
            current = keys[first]
            pending.append(batch.slice(first, last - first))
    if pending:
        yield pa.Table.from_batches(pending)
