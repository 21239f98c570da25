"""What meets in a batch: texts of several domains, whose in-batch negatives are told apart by their topic alone.

Batches are taken as the rows stand in their file. Where no column names a domain, topics are groups of the sampled
vectors: groups that are hardly further apart than texts within them are none.
Source of the rule: homogeneous batches of FlagEmbedding (``same_dataset_within_batch``), Nomic, Arctic-embed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.lint.context import Lint
from pipeline.lint.findings import WARNING, Finding, Found, Kind, LeftOut
from pipeline.similarity.shingles import I64

MIXED_BATCHES = Kind("mixed_batches", "batches of several domains: most in-batch negatives are easy", WARNING)
KINDS = (MIXED_BATCHES,)
_GROUPS = 8
_APART = 0.2  # mean cosine within a group less that across groups
_ORDERED = 0.9  # share of neighbours of one group from which a file stands in their order
_FEW = 200


def find(lint: Lint) -> Iterator[Finding]:
    """Look at the domains that rows name, else at topics."""
    rows, batch = lint.set, lint.cfg.batch
    none = np.empty(0, np.int64)
    if len(rows.domains):
        batches = rows.file * (len(rows) + 1) + _place_in_file(rows.file) // batch
        pairs = np.unique(np.stack([batches, rows.domain], axis=1), axis=0)
        as_written = len(pairs) / len(np.unique(batches))
        shuffled = _expected(np.unique(rows.domain, return_counts=True)[1], batch)
        told = f"{len(rows.domains)} domains; a batch of {batch} rows holds {as_written:.1f} as the files stand, "
        told += f"{shuffled:.1f} when shuffled"
        is_found = as_written > lint.cfg.mixed
        yield Found(MIXED_BATCHES, none, none, len(rows), "rows", summary=told, is_found=is_found)
        return
    measured = lint.measured
    if measured is None or lint.tools is None or len(measured.documents) < _FEW:
        why = lint.why_not_measured if measured is None else f"needs {_FEW} documents in the sample to see topics"
        yield LeftOut(MIXED_BATCHES, f"no column names a domain, and by vectors: {why}")
        return
    centres = lint.tools.find_centres(measured.vectors, _GROUPS)
    group = (measured.vectors @ centres.T).argmax(axis=1)
    apart = _separation(measured.vectors.astype(np.float64), group)
    of_rows = group[np.searchsorted(measured.documents, rows.text[measured.passage])]
    counts = np.bincount(of_rows, minlength=_GROUPS)
    shuffled = _expected(counts[counts > 0], batch)
    neighbours = float((of_rows[1:] == of_rows[:-1]).mean())
    told = f"no column names a domain; by vectors {(counts > 0).sum()} topics, {apart:.2f} of cosine apart; a shuffled "
    told += f"batch of {batch} rows holds {shuffled:.1f}; neighbours are of one topic in {neighbours:.0%}"
    is_found = apart >= _APART and shuffled > lint.cfg.mixed and neighbours < _ORDERED
    of = len(measured.passage)
    yield Found(MIXED_BATCHES, none, none, of, "negatives", summary=told, is_found=is_found, is_sample=True)


def _place_in_file(file: I64) -> I64:
    """Return the number of each row in its file."""
    starts = np.flatnonzero(np.diff(file, prepend=-1))
    return np.arange(len(file)) - np.repeat(starts, np.diff(starts, append=len(file)))


def _expected(counts: I64, batch: int) -> float:
    """Return how many groups of these sizes a random batch holds, in the mean."""
    share = counts / counts.sum()
    return float((1 - (1 - share) ** batch).sum())


def _separation(vectors: np.typing.NDArray[np.float64], group: I64) -> float:
    """Return the mean cosine of two texts of one group less that of two of different ones."""
    sums = np.zeros((_GROUPS, vectors.shape[1]))
    np.add.at(sums, group, vectors)
    counts = np.bincount(group, minlength=_GROUPS)
    total = sums.sum(axis=0)
    own = float((sums**2).sum() - (vectors**2).sum())
    pairs_within = float((counts * (counts - 1)).sum())
    across = float(total @ total - (sums**2).sum())
    pairs_across = float(len(group) ** 2 - (counts**2).sum())
    return own / max(pairs_within, 1) - across / max(pairs_across, 1)
