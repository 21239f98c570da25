"""MinHash signatures and LSH bands of hashed shingle sets, and how many of them a threshold needs.

A permutation is x -> a * x + b modulo 2**32 with odd a, over shingle hashes that are already well mixed; a signature
holds each permutation's minimum over the set. A band folds ``rows`` of them into one 64-bit key: two texts of Jaccard
similarity s share a given band with probability s**rows, and any of ``bands`` with 1 - (1 - s**rows)**bands.

Source: Broder, "On the resemblance and containment of documents" (1997); Indyk and Motwani (1998).
Known weakness: 32-bit minima meet by chance once sets grow to hundreds of thousands of shingles; candidates are
verified by true Jaccard, so this costs time, never precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.similarity.shingles import U64, ShingleSets, mix
from schemas.errors import rule

U32 = npt.NDArray[np.uint32]

_CHUNK = 1 << 18  # shingles permuted at a time, 1 MiB: less, and threads wait for Python's lock more than they work
_FOLD = np.uint64(0x9FB21C651E98DF25)


@dataclass(frozen=True)
class Banding:
    """How signatures are cut into bands."""

    bands: int
    rows: int

    def collision(self, similarity: float) -> float:
        """Return the probability that two texts of this similarity become a candidate pair."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands

    def curve(self) -> dict[str, float]:
        """Return the collision probability at similarities .1 to 1, for the report."""
        return {f"{step / 10:.1f}": round(self.collision(step / 10), 6) for step in range(1, 11)}


def choose_banding(threshold: float, recall: float, permutations: int) -> Banding | None:
    """Return the most selective banding that finds a pair at the threshold with probability ``recall``.

    More rows a band mean fewer false candidates; all the permutations that the rows leave go into bands.
    None: no banding of so many permutations reaches that recall.
    """
    for rows in range(permutations, 0, -1):
        banding = Banding(permutations // rows, rows)
        if banding.collision(threshold) >= recall:
            return banding
    return None


def why_no_banding(threshold: float, recall: float, permutations: int) -> list[str]:
    """Return the fault of settings for which there is no banding, or nothing."""
    if choose_banding(threshold, recall, permutations) is not None:
        return []
    way_out = "more permutations, a higher threshold or a lower recall"
    return [rule("permutations", f"enough for recall {recall} at threshold {threshold}", permutations, way_out)]


@dataclass(frozen=True)
class Signing:
    """How texts are signed, so that they can be compared: words a shingle, bands, and the seed of the permutations."""

    ngram: int
    banding: Banding
    seed: int


def permutations_of(seed: int, count: int) -> tuple[U32, U32]:
    """Return the factors (odd) and shifts of ``count`` permutations, from the seed alone."""
    state = mix(np.arange(1, 2 * count + 1, dtype=np.uint64) * _FOLD + np.uint64(seed % (1 << 64)))
    drawn = (mix(state) >> np.uint64(32)).astype(np.uint32)
    return drawn[:count] | np.uint32(1), drawn[count:]


def sign_sets(sets: ShingleSets, factors: U32, shifts: U32) -> U32:
    """Return the MinHash signatures, (K, D): one row a permutation. The column of an empty set means nothing.

    Cost: K multiplications a shingle, about 3e9 a second on one core.
    """
    signatures = np.zeros((len(factors), len(sets.sizes)), np.uint32)
    filled = np.flatnonzero(sets.sizes)
    low_bits = sets.values.astype(np.uint32)
    first = 0
    while first < len(filled):
        start = int(sets.offsets[filled[first]])
        last = max(int(np.searchsorted(sets.offsets[filled], start + _CHUNK)), first + 1)
        chosen = filled[first:last]
        chunk = low_bits[start : int(sets.offsets[chosen[-1] + 1])]
        bounds = sets.offsets[chosen] - start
        permuted = np.empty_like(chunk)
        for row, (factor, shift) in enumerate(zip(factors, shifts, strict=True)):
            np.multiply(chunk, factor, out=permuted)
            np.add(permuted, shift, out=permuted)
            signatures[row, chosen] = np.minimum.reduceat(permuted, bounds)
        first = last
    return signatures


def fold_bands(signatures: U32, banding: Banding) -> U64:
    """Return the key of each text's bands, (D, bands); keys of different bands never mean the same."""
    used = signatures[: banding.bands * banding.rows].reshape(banding.bands, banding.rows, -1)
    keys = np.repeat(mix(np.arange(1, banding.bands + 1, dtype=np.uint64))[:, None], used.shape[2], axis=1)
    for row in range(banding.rows):
        keys = mix(keys * _FOLD + used[:, row])
    return np.ascontiguousarray(keys.T)
