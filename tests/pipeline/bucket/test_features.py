"""Rows of unit length from the n-grams that the vocabulary knows, alone or in any company."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bucket import features
from pipeline.bucket.features import fit_vocabulary, vectorise
from pipeline.text import words

TEXTS = ["the red tea", "the green tea", "a green hill", "", "绿茶很好", "绿茶不好"]


def grams(text: str, most: int, letters: int) -> set[object]:
    found, raw = words(text), text.encode()
    said = {tuple(found[i : i + n]) for n in range(1, most + 1) for i in range(max(0, len(found) - n + 1))}
    return said | {raw[i : i + n] for n in range(3, letters + 1) for i in range(max(0, len(raw) - n + 1))}


@pytest.mark.parametrize(("most", "letters"), [(1, 0), (2, 0), (1, 3), (2, 5)])
def test_a_row_is_the_reference_tf_idf(most, letters):
    held = [grams(text, most, letters) for text in TEXTS]
    counts = {gram: sum(gram in each for each in held) for gram in set().union(*held)}
    idf = {gram: math.log((1 + len(TEXTS)) / (1 + count)) + 1 for gram, count in counts.items() if count > 1}

    vocabulary = fit_vocabulary(pa.array(TEXTS), most, letters, 1000)
    got = vectorise(pa.array(TEXTS), vocabulary).toarray()

    assert len(vocabulary.grams) == len(idf)
    for row, each in zip(got, held, strict=True):
        weights = sorted(idf[gram] for gram in each if gram in idf)
        length = math.sqrt(sum(weight * weight for weight in weights)) or 1.0
        assert sorted(row[row > 0]) == pytest.approx([weight / length for weight in weights], abs=1e-5)


def test_the_most_frequent_features_stay():
    texts = ["a b", "a b", "a c", "a c", "a c"]
    assert len(fit_vocabulary(pa.array(texts), 1, 0, 2).grams) == 2
    kept = fit_vocabulary(pa.array(texts), 1, 0, 2)
    assert vectorise(pa.array(["b", "c", "a"]), kept).getnnz(axis=1).tolist() == [0, 1, 1]


@given(st.lists(st.sampled_from([*TEXTS, "tea tea red", "nothing known"]), max_size=9))
def test_a_row_depends_on_its_text_alone(texts):
    vocabulary = fit_vocabulary(pa.array(TEXTS), 2, 5, 1000)
    together = vectorise(pa.array(texts, pa.string()), vocabulary).toarray()
    alone = [vectorise(pa.array([text]), vocabulary).toarray()[0] for text in texts]
    assert together.tobytes() == (np.stack(alone).tobytes() if alone else b"")


def test_chunks_of_text_make_no_difference(monkeypatch):
    texts = pa.array(TEXTS * 30)
    whole = fit_vocabulary(texts, 1, 5, 1000)
    expected = vectorise(texts, whole).toarray()
    monkeypatch.setattr(features, "_CHUNK_BYTES", 40)
    parts = fit_vocabulary(texts, 1, 5, 1000)
    assert parts.grams.tobytes() == whole.grams.tobytes()
    assert vectorise(texts.slice(0), parts).toarray().tobytes() == expected.tobytes()
    assert vectorise(texts.slice(7), parts).toarray().tobytes() == expected[7:].tobytes()
