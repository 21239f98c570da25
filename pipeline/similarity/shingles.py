"""Word n-grams as sorted 52-bit hashes, for a whole Arrow batch at a time and without a Python loop over words.

The words are those of :func:`pipeline.text.words`. An ASCII text is its own normal form up to case and separators, so
its bytes are hashed where they lie in the Arrow buffer, with the signs that belong to a word; of other texts, what
stands between two spaces and is not ASCII goes through ``normal_form`` first. A word's hash is its polynomial modulo
2**64, had for all words at once from one running sum; a shingle's hash is a polynomial over its mixed word hashes.
Equal hashes stand for equal shingles: within a pair of texts of a thousand shingles the chance of one false meeting is
2e-10.

Known weakness: an adversary can build words with equal polynomials (Thue-Morse strings of 1,024 characters and
more); what is not ASCII pays for Unicode normalisation in Python, about ten times the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.text import normal_form

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

HASH_BITS = 52
_SEGMENT_BITS = np.uint64(64 - HASH_BITS)
MAX_SEGMENTS = 1 << (64 - HASH_BITS)  # texts, or pairs of texts, that one sort may tell apart

_CHUNK_BYTES = 1 << 18  # text hashed at a time: its 64-bit intermediates stay in a core's cache
_APART = 64  # bytes from one outside ASCII to the next, above which what is between them is left as it is
_BASE = 0x9E3779B97F4A7C15
_ORDER = np.uint64(0xD6E8FEB86659FD93)
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))


@dataclass(frozen=True)
class ShingleSets:
    """The shingle hashes of many texts: ``values[offsets[i]:offsets[i + 1]]`` is text i's set, sorted.

    ``digests`` holds one hash of each text's whole word sequence: equal exactly when the normal forms are; no words
    give 0.
    """

    values: U64  # (S,)
    offsets: I64  # (D + 1,)
    digests: U64  # (D,)

    @property
    def sizes(self) -> I64:
        """The number of distinct shingles of each text, (D,)."""
        return np.diff(self.offsets)

    def take(self, places: I64) -> ShingleSets:
        """Return the sets at these places, in this order; one may be taken many times."""
        sizes = self.sizes[places]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[places] - offsets[:-1], sizes)
        return ShingleSets(self.values[index], offsets, self.digests[places])


def shingle_texts(texts: pa.StringArray, size: int) -> ShingleSets:
    """Return the hashed sets of word n-grams of the texts, as :func:`pipeline.text.shingles` defines them.

    Cost: linear in the bytes; about 70 MB/s of ASCII text on one core.
    """
    data, ends = _normal_bytes(texts)
    values, sizes, digests = [], [], []
    for first, last in _chunks(ends):
        start = int(ends[first - 1]) if first else 0
        part = _shingle_chunk(data[start : int(ends[last - 1])], ends[first:last] - start, size)
        values.append(part.values)
        sizes.append(part.sizes)
        digests.append(part.digests)
    if not values:
        return ShingleSets(np.empty(0, np.uint64), np.zeros(1, np.int64), np.empty(0, np.uint64))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
    return ShingleSets(np.concatenate(values), offsets, np.concatenate(digests))


def hash_words(texts: pa.StringArray) -> tuple[U64, I64]:
    """Return the hash of every word of the texts in their order, (W,), and how many words each text has, (D,)."""
    data, ends = _normal_bytes(texts)
    hashes, counts = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for first, last in _chunks(ends):
        start = int(ends[first - 1]) if first else 0
        found, sizes = _hash_words(data[start : int(ends[last - 1])], ends[first:last] - start)
        hashes.append(found)
        counts.append(sizes)
    return np.concatenate(hashes), np.concatenate(counts)


def mix(values: U64) -> U64:
    """Return the values with every input bit spread over every output bit (MurmurHash3's finaliser)."""
    values = values ^ (values >> np.uint64(33))
    values *= _MIX[0]
    values ^= values >> np.uint64(33)
    values *= _MIX[1]
    values ^= values >> np.uint64(33)
    return values


def _normal_bytes(texts: Any) -> tuple[U8, I64]:
    """Return one buffer with every text's words, ASCII still in its own case, and where each text ends in it."""
    texts = pc.fill_null(texts.cast(pa.large_string()), "")
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    if not len(texts) or offsets[-1] == offsets[0]:
        return np.empty(0, np.uint8), np.zeros(len(texts), np.int64)
    data = np.frombuffer(texts.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    bounds = offsets - offsets[0]
    places = np.flatnonzero(data >= 0x80)
    return _fold_foreign(data, bounds, places) if len(places) else (data, bounds[1:])


def _fold_foreign(data: U8, bounds: I64, places: I64) -> tuple[U8, I64]:
    """Return the bytes and the ends of texts in which the words about the bytes outside ASCII are in normal form.

    ``places``: where those bytes are. What is changed reaches from space to space: no form and no word crosses one.
    """
    inner = np.searchsorted(places, bounds)  # the first of each text
    starts = np.union1d(inner[inner < len(places)], np.flatnonzero(np.diff(places) > _APART) + 1)
    spans = [
        places[starts],
        places[np.append(starts[1:], len(places)) - 1],
        np.searchsorted(bounds, places[starts], "right") - 1,
    ]
    raw, limits, sizes = data.tobytes(), bounds.tolist(), np.diff(bounds)
    pieces, done = [], 0
    for opening, closing, owner in zip(*(side.tolist() for side in spans), strict=True):
        if closing < done:
            continue
        floor, limit = max(done, limits[owner]), limits[owner + 1]
        first = max(raw.rfind(b" ", floor, opening), floor)
        last = raw.find(b" ", closing, limit)
        last = limit if last < 0 else last
        folded = normal_form(raw[first:last].decode("utf-8")).encode("utf-8")
        if first > limits[owner]:
            folded = b" " + folded
        sizes[owner] += len(folded) - (last - first)
        pieces += [raw[done:first], folded]
        done = last
    pieces.append(raw[done:])
    return np.frombuffer(b"".join(pieces), np.uint8), np.cumsum(sizes)


def _chunks(ends: I64) -> list[tuple[int, int]]:
    """Return ranges of texts of about ``_CHUNK_BYTES`` bytes and at most ``MAX_SEGMENTS`` texts."""
    found, first = [], 0
    while first < len(ends):
        start = int(ends[first - 1]) if first else 0
        last = int(np.searchsorted(ends, start + _CHUNK_BYTES, side="right"))
        last = min(max(last, first + 1), first + MAX_SEGMENTS)
        found.append((first, last))
        first = last
    return found


def _word_table() -> bytes:
    """Return what each byte counts as: lower-case letters, digits and bytes of longer characters; 0 separates."""
    table = np.zeros(256, np.uint8)
    for code in range(256):
        if code >= 0x80 or chr(code).isalnum():
            table[code] = ord(chr(code).lower()) if code < 0x80 else code
    return table.tobytes()


_WORD_BYTE = _word_table()
_SPACE = ord(" ")
_IS_WORD = np.frombuffer(_WORD_BYTE, np.uint8) != 0
_IS_DIGIT, _IS_LETTER, _IS_SIGN = (
    np.array([code < 0x80 and is_one(chr(code)) for code in range(256)])
    for is_one in (str.isdigit, str.isalpha, "+#-".__contains__)
)
_powers: list[tuple[U64, U64]] = [(np.ones(1, np.uint64), np.ones(1, np.uint64))]


def _powers_up_to(count: int) -> tuple[U64, U64]:
    """Return the base's powers 0..count and their inverses; grown to the largest chunk and kept, both at once."""
    if len(_powers[0][0]) <= count:
        tables = [np.full(count + 1, base, np.uint64) for base in (_BASE, pow(_BASE, -1, 1 << 64))]
        for table in tables:
            table[0] = 1
        _powers[0] = np.multiply.accumulate(tables[0]), np.multiply.accumulate(tables[1])
    return _powers[0]


def _hash_words(data: U8, ends: I64) -> tuple[U64, I64]:
    """Return the hash of every word, (W,), and how many words each text has, (D,)."""
    coded = np.frombuffer(bytearray(data.tobytes().translate(_WORD_BYTE)), np.uint8)
    signs, closing = _find_signs(data, ends)
    coded[signs] = data[signs]
    inside = coded != 0
    begins = inside.copy()
    np.greater(inside[1:], inside[:-1], out=begins[1:])
    after = closing[closing + 1 < len(data)] + 1
    begins[after] = inside[after]
    edges = ends[:-1][ends[:-1] < len(data)]
    begins[edges] = inside[edges]
    first = np.flatnonzero(begins)
    powers, inverses = _powers_up_to(len(data))
    running = np.zeros(len(data) + 1, np.uint64)
    running[1:] = coded
    running[1:] *= powers[: len(data)]
    np.cumsum(running, out=running)
    hashes = mix(np.diff(running[first], append=running[-1:]) * inverses[first])  # what separates words adds nothing
    counts = np.diff(np.searchsorted(first, ends), prepend=0)
    return hashes, counts.astype(np.int64)


def _find_signs(data: U8, ends: I64) -> tuple[I64, I64]:
    """Return where a sign belongs to a word, as in C++, C# and -5; and which of these end it."""
    places = np.flatnonzero(_IS_SIGN[data])
    if not len(places):
        return places, places
    before = np.where(np.isin(places, ends[:-1]) | (places == 0), _SPACE, data[places - 1])
    behind = np.where(np.isin(places, ends - 1), _SPACE, data[np.minimum(places + 1, len(data) - 1)])
    sign = data[places]
    is_minus = (sign == ord("-")) & _IS_DIGIT[behind] & ~_IS_WORD[before]
    is_first = (sign != ord("-")) & _IS_LETTER[before]
    is_second = np.zeros(len(places), np.bool_)  # the other plus of C++
    follows = np.diff(places) == 1
    is_second[1:] = follows & is_first[:-1] & (sign[1:] == ord("+")) & (sign[:-1] == ord("+")) & (before[1:] != _SPACE)
    goes_on = np.append(is_second[1:], False)
    return places[is_minus | is_first | is_second], places[(is_first & ~goes_on) | is_second]


def _shingle_chunk(data: U8, ends: I64, size: int) -> ShingleSets:
    """Return the sets of one chunk of texts."""
    hashes, counts = _hash_words(data, ends)
    digests = _digest_sequences(hashes, counts)
    slots = np.where(counts > 0, np.maximum(counts, size), 0)
    if (slots != counts).any():  # a text shorter than one shingle is a shingle of its own: filled up with zeros
        padded = np.zeros(int(slots.sum()), np.uint64)
        shift = np.cumsum(slots - counts) - (slots - counts)
        padded[np.arange(len(hashes)) + np.repeat(shift, counts)] = hashes
        hashes = padded
    grams = np.where(slots > 0, slots - size + 1, 0)
    if not grams.sum():
        return ShingleSets(np.empty(0, np.uint64), np.zeros(len(ends) + 1, np.int64), digests)
    windows = hashes[size - 1 :].copy()
    for place in range(size - 2, -1, -1):
        windows *= _ORDER
        windows += hashes[place : place + len(windows)]
    is_whole = np.ones(len(hashes), np.bool_)  # and does not cross into the next text
    is_whole[np.cumsum(slots)[slots > 0][:, None] - np.arange(1, size)] = False
    return _as_sets(mix(windows[is_whole[: len(windows)]]), grams, digests)


def _digest_sequences(hashes: U64, counts: I64) -> U64:
    """Return one hash of each text's words in order."""
    bounds = np.concatenate([[0], np.cumsum(counts)])
    powers, inverses = _powers_up_to(len(hashes))
    running = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes * powers[: len(hashes)], out=running[1:])
    return mix((running[bounds[1:]] - running[bounds[:-1]]) * inverses[bounds[:-1]])


def _as_sets(hashes: U64, counts: I64, digests: U64) -> ShingleSets:
    """Return the hashes sorted and distinct within each text: one sort of (text, hash) packed into 64 bits."""
    keys = np.repeat(np.arange(len(counts), dtype=np.uint64) << np.uint64(HASH_BITS), counts)
    keys |= hashes >> _SEGMENT_BITS
    keys.sort()
    is_new = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
    keys = keys[is_new]
    bounds = np.arange(len(counts) + 1, dtype=np.uint64)
    bounds[-1] -= np.uint64(1)  # MAX_SEGMENTS << HASH_BITS would not fit
    offsets = np.searchsorted(keys, bounds << np.uint64(HASH_BITS))
    offsets[-1] = len(keys)
    return ShingleSets(keys & np.uint64((1 << HASH_BITS) - 1), offsets.astype(np.int64), digests)


def jaccards(left: ShingleSets, right: ShingleSets) -> npt.NDArray[np.float64]:
    """Return the Jaccard similarity of text i of ``left`` and text i of ``right``, (P,), to 6 decimals."""
    shared = np.zeros(len(left.sizes), np.int64)
    for first in range(0, len(shared), MAX_SEGMENTS):
        last = min(first + MAX_SEGMENTS, len(shared))
        shared[first:last] = _shared_counts(left, right, first, last)
    union = left.sizes + right.sizes - shared
    similar: npt.NDArray[np.float64] = np.round(shared / np.maximum(union, 1), 6)
    return similar


def _shared_counts(left: ShingleSets, right: ShingleSets, first: int, last: int) -> I64:
    """Return how many shingles the two texts of each pair share: equal neighbours after one merge of the two sides."""
    sides = []
    for side in (left, right):
        pair = np.repeat(np.arange(last - first, dtype=np.uint64), side.sizes[first:last])
        values = side.values[side.offsets[first] : side.offsets[last]]
        sides.append((pair << np.uint64(HASH_BITS)) | values)
    keys = np.concatenate(sides)
    keys.sort(kind="stable")  # Timsort: each side is sorted already
    twice = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(HASH_BITS)
    return np.bincount(twice.astype(np.int64), minlength=last - first).astype(np.int64)
