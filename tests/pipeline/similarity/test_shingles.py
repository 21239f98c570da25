"""Hashed shingle sets say what the plain ones say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.similarity import shingles as shingling
from pipeline.similarity.shingles import jaccards, shingle_texts
from pipeline.text import normal_form, shingles

WORDS = st.sampled_from(
    [
        "the",
        "The",
        "cat",
        "sat_on",
        "mat.",
        "été",
        "ÉTÉ",
        "数据",
        "の",
        "naïve",
        "x1",
        "--",
        "ﬁne",
        "\n",
        "\u0000",
        "e\u0301",
        "\u0301x",
        "\u1100",
        "\u1161",
        "´",
        "c++",
        "C#",
        "a+b",
        "x+-5",
        "+++",
        "-5",
        "5-3",
        "−5",
        "文-5",
        "#1",
        "क्या",
        "शां",
        "\u0e33-1",
    ]
)
TEXTS = st.lists(st.one_of(st.lists(WORDS, max_size=14).map(" ".join), st.text(max_size=30)), max_size=8)


def jaccard(one: str, other: str, size: int) -> float:
    a, b = shingles(one, size), shingles(other, size)
    return round(len(a & b) / len(a | b), 6) if a | b else 0.0


def test_one_screen_example():
    sets = shingle_texts(pa.array(["To be, or not to be!", "to be or not", ""]), size=3)

    assert sets.sizes.tolist() == [4, 2, 0]  # to be or | be or not | or not to | not to be
    others = shingle_texts(pa.array(["to be or not", "TO BE or nöt", ""]), size=3)
    assert jaccards(sets, others).tolist() == [0.5, 0.333333, 0.0]


@given(TEXTS, st.integers(1, 6))
@settings(max_examples=300)
def test_sets_are_as_large_as_the_plain_ones(texts, size):
    sets = shingle_texts(pa.array(texts, pa.string()), size)

    assert sets.sizes.tolist() == [len(shingles(text, size)) for text in texts]
    for first, last in zip(sets.offsets[:-1], sets.offsets[1:], strict=True):
        assert (np.diff(sets.values[first:last].astype(np.int64)) > 0).all()


@given(TEXTS, TEXTS, st.integers(1, 6))
@settings(max_examples=300)
def test_jaccard_is_the_plain_one(left, right, size):
    left, right = left[: len(right)], right[: len(left)]

    got = jaccards(shingle_texts(pa.array(left, pa.string()), size), shingle_texts(pa.array(right, pa.string()), size))

    assert got.tolist() == [jaccard(a, b, size) for a, b in zip(left, right, strict=True)]


@given(TEXTS)
@settings(max_examples=300)
def test_digests_are_equal_exactly_when_normal_forms_are(texts):
    digests = shingle_texts(pa.array(texts, pa.string()), 5).digests.tolist()

    forms = [normal_form(text) for text in texts]
    assert [[a == b for a in digests] for b in digests] == [[a == b for a in forms] for b in forms]
    assert [digest == 0 for digest in digests] == [not form for form in forms]


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 18])
def test_results_do_not_depend_on_chunks_or_on_slices(monkeypatch, chunk):
    texts = ["a b c d e f", "", "Zoë said: zoë said", "g h", "x" * 300, "數據 data 數據", "a b c d e f g"] * 3
    whole = shingle_texts(pa.array(texts), 2)
    monkeypatch.setattr(shingling, "_CHUNK_BYTES", chunk)
    column = pa.chunked_array([pa.array(["before", *texts, "after"])]).combine_chunks().slice(1, len(texts))

    got = shingle_texts(column, 2)

    assert got.values.tolist() == whole.values.tolist()
    assert got.offsets.tolist() == whole.offsets.tolist()
    assert got.digests.tolist() == whole.digests.tolist()


@pytest.mark.parametrize("apart", [0, 2, 1 << 20])
def test_results_do_not_depend_on_how_far_apart_other_letters_stand(monkeypatch, apart):
    texts = [
        "Zoë said\u0301 x: zoë said",
        "數據 data 數據",
        "é",
        "",
        "a b",
        "plain " * 30 + "naïve " + "plain " * 30 + "ﬁn É",
    ]
    monkeypatch.setattr(shingling, "_APART", apart)

    sets = shingle_texts(pa.array(texts), 2)

    forms = shingle_texts(pa.array([normal_form(text) for text in texts]), 2)
    assert sets.values.tolist() == forms.values.tolist()
    assert sets.sizes.tolist() == [len(shingles(text, 2)) for text in texts]


def test_more_texts_than_one_sort_tells_apart():
    count = shingling.MAX_SEGMENTS * 2 + 3
    sets = shingle_texts(pa.array([f"n{i} n{i + 1}" for i in range(count)]), 1)

    assert sets.sizes.tolist() == [2] * count
    assert (jaccards(sets, sets) == 1.0).all()


def test_null_counts_as_empty_and_no_text_as_nothing():
    assert shingle_texts(pa.array([None, "a"], pa.string()), 3).sizes.tolist() == [0, 1]
    assert shingle_texts(pa.array([], pa.string()), 3).sizes.tolist() == []
