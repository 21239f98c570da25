"""MinHash signatures as datasketch makes them, for those who keep an index of theirs.

What dedupe itself compares are signatures over faster hashes of the same word n-grams. These are over the SHA-1 of each
n-gram, under datasketch's own permutations, and so what ``datasketch.MinHash`` of the same n-grams holds:

    MinHash(hashvalues=row["minhash"], seed=dedupe.seed, scheme="affine32")

Source: datasketch 2. Known weakness: SHA-1 of every n-gram, one by one in Python, where dedupe hashes whole batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from pipeline.contract import conform, kept
from pipeline.dedupe.config import DedupeConfig
from pipeline.similarity.minhash import U32, sign_sets
from pipeline.similarity.shingles import ShingleSets
from pipeline.text import shingles
from schemas.documents import SIGNATURES

_NOTHING = 2**32 - 1  # what datasketch has for a text without n-grams


def sign_as_datasketch(documents: DataFrame, cfg: DedupeConfig) -> DataFrame:
    """Return the signature of every kept document.

    In:   DOCUMENTS.
    Out:  SIGNATURES: ``permutations`` values of 32 bits each.
    Cost: one pass over the texts, no shuffle.
    """

    def sign(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from datasketch import MinHash

        factors, shifts = MinHash(num_perm=cfg.permutations, seed=cfg.seed, scheme="affine32").permutations
        for batch in batches:
            sets = _hashed_sets(batch.column("text").to_pylist(), cfg.ngram)
            found = np.where(sets.sizes > 0, sign_sets(sets, factors, shifts), _NOTHING).T.astype(np.int64)
            bounds = np.arange(len(found) + 1, dtype=np.int32) * cfg.permutations
            values = pa.ListArray.from_arrays(pa.array(bounds), pa.array(found.ravel()))
            yield pa.RecordBatch.from_arrays([batch.column("doc_id"), values], names=["doc_id", "minhash"])

    texts = kept(documents).select("doc_id", "text")
    return conform(texts.mapInArrow(sign, "doc_id string, minhash array<long>"), SIGNATURES)


def _hashed_sets(texts: list[str], size: int) -> ShingleSets:
    """Return each text's n-grams as 32-bit hashes, which datasketch mixes before it permutes them."""
    from datasketch.hashfunc import sha1_hash32

    sets = [[sha1_hash32(gram.encode()) for gram in shingles(text, size)] for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in sets])]).astype(np.int64)
    hashes = np.fromiter(chain.from_iterable(sets), np.uint32, int(offsets[-1]))
    return ShingleSets(_mix32(hashes).astype(np.uint64), offsets, np.zeros(len(sets), np.uint64))


def _mix32(values: U32) -> U32:
    """Return the values mixed by MurmurHash3's finaliser for 32 bits."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        values = (values ^ (values >> np.uint32(shift))) * np.uint32(factor)
    return values ^ (values >> np.uint32(16))
