"""The leaks of a corpus that one task can hold: the way of ``leaks.flag_leaks``, in arrays.

The steps and so their answer are the same; what falls away is a dozen of joins, whose plans cost many times the work
itself up to some hundred thousand documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.guard.config import DOCUMENT, FLAGS, QUERY, GuardConfig, holds_words
from pipeline.ids import hash_text
from pipeline.similarity.near import F64, compare_pairs, sets_of, sign_batches
from pipeline.similarity.one_task import bands_of, whole_column
from pipeline.similarity.shingles import I64, ShingleSets
from schemas.documents import CONTAINED, EXACT, NEAR

READ = ("text_id", "eval_name", "eval_id", "role", "text")
ONE_TASK = 1 << 26  # characters of both sides: about 100,000 docstrings
_KINDS = np.array([EXACT, NEAR, CONTAINED])  # strongest first
_PAIRS = 1 << 22  # colliding pairs held at a time
_DECIMALS = 10**6


@dataclass(frozen=True)
class Flags:
    """Overlaps: places of a text and of a protected one, each once for a kind (a place in ``_KINDS``)."""

    left: I64
    right: I64
    kind: I64
    overlap: F64


@dataclass(frozen=True)
class Held:
    """Which n-grams of the protected texts each text holds: n-gram and text of every such place."""

    ngram: I64
    text: I64
    holders: I64  # how many texts hold each n-gram, (n-grams,)


def flag_in_one_task(
    batches: Iterator[pa.RecordBatch],
    cfg: GuardConfig,
    characters: int = ONE_TASK,
) -> Iterator[pa.RecordBatch]:
    """Find the texts that overlap a protected text, or say that there are too many characters for one task.

    In:   READ; text_id is null in a protected text, what begins with eval and role are in one to look at.
    Out:  FLAGS; one row of nulls alone when there are more than that many ``characters``: nothing more is read then.
    """
    rows = []
    for batch in batches:
        rows.append(batch)
        characters -= pc.sum(pc.utf8_length(batch.column("text"))).as_py() or 0
        if characters < 0:
            yield pa.RecordBatch.from_pylist([dict.fromkeys(FLAGS.names)], schema=FLAGS)
            return
    texts = pa.Table.from_batches(rows) if rows else None
    if texts is None or not texts.num_rows:
        return
    texts = texts.combine_chunks()
    signed = pa.Table.from_batches(list(sign_batches(iter(texts.select(["text"]).to_batches()), cfg.signing)))
    yield from _rows_of(_find(texts, signed.combine_chunks(), cfg), texts)


def _find(texts: pa.Table, signed: pa.Table, cfg: GuardConfig) -> Flags:
    """Return each pair of a text and a protected one that overlap, by its strongest kind."""
    is_ours = texts["eval_id"].is_null().to_numpy()
    sets = sets_of(whole_column(signed, "shingles"))
    held = _list_held(sets, is_ours)
    found = [
        _copies(texts, is_ours),
        *_near(sets, *bands_of(signed), is_ours, cfg.threshold),
        _contain_documents(held, sets.sizes, is_ours, _is(texts, DOCUMENT), cfg),
        _contain_queries(held, texts, is_ours, _is(texts, QUERY) & (sets.sizes + cfg.ngram - 1 >= cfg.query_words)),
    ]
    every = Flags(*(np.concatenate([getattr(each, side) for each in found]) for side in Flags.__annotations__))
    order = np.lexsort([every.kind, every.right, every.left])
    left, right = every.left[order], every.right[order]
    is_first = np.concatenate([[True], (np.diff(left) != 0) | (np.diff(right) != 0)])[: len(order)]
    strongest = order[is_first]
    return Flags(left[is_first], right[is_first], every.kind[strongest], every.overlap[strongest])


def _copies(texts: pa.Table, is_ours: npt.NDArray[np.bool_]) -> Flags:
    """Return the pairs of the same text, white space aside."""
    ours, theirs = np.flatnonzero(is_ours), np.flatnonzero(~is_ours)
    hashes = np.array([int(hash_text(text or ""), 16) for text in texts["text"].to_pylist()], np.uint64).view(np.int64)
    left, right = _meet(hashes[ours], hashes[theirs])
    return _flags(ours[left], theirs[right], EXACT, np.ones(len(left)))


def _near(
    sets: ShingleSets,
    keys: I64,
    owners: I64,
    is_ours: npt.NDArray[np.bool_],
    threshold: float,
) -> Iterator[Flags]:
    """Yield the pairs that share a band and whose true Jaccard similarity reaches the threshold."""
    ours, theirs = np.flatnonzero(is_ours[owners]), np.flatnonzero(~is_ours[owners])
    by_key = theirs[np.argsort(keys[theirs])]
    first, after = (np.searchsorted(keys[by_key], keys[ours], side) for side in ("left", "right"))
    counts = after - first
    parts = np.cumsum(counts) // _PAIRS
    for part in np.split(np.arange(len(ours)), np.flatnonzero(np.diff(parts)) + 1):
        left, right = _expand(first[part], counts[part])
        colliding = np.unique(owners[ours[part[left]]] * len(is_ours) + owners[by_key[right]])
        left, right = colliding // len(is_ours), colliding % len(is_ours)
        jaccard = compare_pairs(sets, left, right)
        near = jaccard >= threshold
        yield _flags(left[near], right[near], NEAR, jaccard[near])


def _list_held(sets: ShingleSets, is_ours: npt.NDArray[np.bool_]) -> Held:
    """Return the n-grams of the protected texts, by number, and who holds them."""
    owners = np.repeat(np.arange(len(is_ours)), sets.sizes)
    ngrams = np.unique(sets.values[~is_ours[owners]])
    if not len(ngrams):
        return Held(*(np.empty(0, np.int64) for _ in range(3)))
    numbers = np.minimum(np.searchsorted(ngrams, sets.values), len(ngrams) - 1)
    places = np.flatnonzero(ngrams[numbers] == sets.values)
    return Held(numbers[places], owners[places], np.bincount(numbers[places], minlength=len(ngrams)))


def _contain_documents(
    held: Held,
    sizes: I64,
    is_ours: npt.NDArray[np.bool_],
    is_document: npt.NDArray[np.bool_],
    cfg: GuardConfig,
) -> Flags:
    """Return the pairs of a text and a protected document one of which holds enough of the other."""
    is_common = held.holders[held.ngram] > cfg.common
    by_us = is_ours[held.text]
    ours, theirs = np.flatnonzero(by_us & ~is_common), np.flatnonzero(is_document[held.text] & ~is_common)
    countable = sizes - np.bincount(held.text[by_us & is_common], minlength=len(sizes))
    totals = np.bincount(held.text[theirs], minlength=len(sizes))
    left, right = _meet(held.ngram[ours], held.ngram[theirs])
    pairs, shared = np.unique(held.text[ours[left]] * len(sizes) + held.text[theirs[right]], return_counts=True)
    left, right = pairs // len(sizes), pairs % len(sizes)
    least = np.minimum(countable[left], totals[right])
    overlap = (2 * shared * _DECIMALS + least) // np.maximum(2 * least, 1) / _DECIMALS  # halves up, as Spark rounds
    enough = (shared >= cfg.min_shared) & (overlap >= cfg.containment)
    return _flags(left[enough], right[enough], CONTAINED, overlap[enough])


def _contain_queries(
    held: Held,
    texts: pa.Table,
    is_ours: npt.NDArray[np.bool_],
    is_asked: npt.NDArray[np.bool_],
) -> Flags:
    """Return the pairs of a text and a long protected query that it holds word for word.

    Whatever holds a query holds its rarest n-gram: the holders of that one alone are read.
    """
    asked = np.flatnonzero(is_asked[held.text])
    queries, ngrams = held.text[asked], held.ngram[asked]
    order = np.lexsort([ngrams, held.holders[ngrams], queries])
    first = order[np.unique(queries[order], return_index=True)[1]]
    ours = np.flatnonzero(is_ours[held.text])
    left, right = _meet(held.ngram[ours], ngrams[first])
    left, right = held.text[ours[left]], queries[first][right]
    told, wanted = (texts["text"].take(pa.array(side)).to_pylist() for side in (left, right))
    holds = np.array([holds_words(*pair) for pair in zip(told, wanted, strict=True)], np.bool_)
    return _flags(left[holds], right[holds], CONTAINED, np.ones(int(holds.sum())))


def _meet(ours: I64, theirs: I64) -> tuple[I64, I64]:
    """Return the places (left, right) of every pair of equal keys."""
    order = np.argsort(theirs, kind="stable")
    first, after = (np.searchsorted(theirs, ours, side, order) for side in ("left", "right"))
    left, right = _expand(first, after - first)
    return left, order[right]


def _expand(first: I64, counts: I64) -> tuple[I64, I64]:
    """Return (place, each of the ``counts`` numbers from ``first`` on) for every place, one place after the other."""
    starts = np.repeat(first - (np.cumsum(counts) - counts), counts)
    return np.repeat(np.arange(len(counts)), counts), starts + np.arange(len(starts))


def _flags(left: I64, right: I64, kind: str, overlap: F64) -> Flags:
    return Flags(left, right, np.full(len(left), int(np.flatnonzero(kind == _KINDS)[0])), overlap)


def _is(texts: pa.Table, role: str) -> npt.NDArray[np.bool_]:
    """Return which texts are protected ones of that role."""
    found: npt.NDArray[np.bool_] = pc.fill_null(pc.equal(texts["role"], role), False).to_numpy()
    return found


def _rows_of(flags: Flags, texts: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield the rows of FLAGS."""
    ids, names, evals = (texts[name] for name in FLAGS.names[:3])
    left, right = pa.array(flags.left), pa.array(flags.right)
    columns = [
        ids.take(left),
        names.take(right),
        evals.take(right),
        pa.array(_KINDS[flags.kind], pa.string()),
        pa.array(flags.overlap),
    ]
    yield from pa.Table.from_arrays(columns, schema=FLAGS).to_batches()
