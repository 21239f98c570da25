"""Signatures estimate Jaccard; bandings keep their promise."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from pipeline.similarity.minhash import Banding, choose_banding, fold_bands, permutations_of, sign_sets
from pipeline.similarity.shingles import jaccards, shingle_texts


def pairs_near(similarity: float, count: int) -> tuple[pa.Array, pa.Array]:
    """Make pairs of texts of 300 words of which so many of both are shared."""
    rng = random.Random(5)
    left: list[str] = []
    right: list[str] = []
    for i in range(count):
        shared = round(600 * similarity / (1 + similarity))
        both = [f"s{i}w{j}" for j in range(shared)]
        for side, texts in (("l", left), ("r", right)):
            words = both + [f"{side}{i}w{j}" for j in range(300 - shared)]
            texts.append(" ".join(rng.sample(words, len(words))))
    return pa.array(left), pa.array(right)


@pytest.mark.parametrize("similarity", [0.3, 0.6, 0.8, 0.95])
def test_signatures_agree_as_often_as_the_sets_are_similar(similarity):
    left, right = (shingle_texts(side, 1) for side in pairs_near(similarity, 200))
    factors, shifts = permutations_of(13, 128)

    agreement = (sign_sets(left, factors, shifts) == sign_sets(right, factors, shifts)).mean()

    assert agreement == pytest.approx(jaccards(left, right).mean(), abs=0.01)  # 25,600 draws: sigma .003


@pytest.mark.parametrize("banding", [Banding(21, 6), Banding(14, 8)])
def test_pairs_collide_as_often_as_the_curve_says(banding):
    left, right = (shingle_texts(side, 1) for side in pairs_near(0.7, 400))
    factors, shifts = permutations_of(7, banding.bands * banding.rows)

    keys = [fold_bands(sign_sets(side, factors, shifts), banding) for side in (left, right)]

    found = (keys[0] == keys[1]).any(axis=1).mean()
    assert found == pytest.approx(np.mean([banding.collision(s) for s in jaccards(left, right)]), abs=0.07)


@pytest.mark.parametrize(
    ("banding", "at_80", "at_90"),
    [(Banding(14, 8), 0.924, 1.0), (Banding(20, 13), 0.677, 0.997), (Banding(9, 13), 0.399, 0.929)],
)
def test_the_curve_has_the_published_values(banding, at_80, at_90):
    assert banding.curve()["0.8"] == pytest.approx(at_80, abs=5e-4)
    assert banding.curve()["0.9"] == pytest.approx(at_90, abs=5e-4)


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 1.0])
def test_the_most_selective_banding_that_reaches_the_recall_is_chosen(threshold):
    banding = choose_banding(threshold, 0.99, 256)

    assert banding is not None
    assert banding.collision(threshold) >= 0.99
    assert banding.bands * banding.rows <= 256
    assert banding.rows == 256 or Banding(256 // (banding.rows + 1), banding.rows + 1).collision(threshold) < 0.99


def test_no_banding_where_none_reaches_the_recall():
    assert choose_banding(0.05, 0.999, 16) is None


def test_the_same_set_has_the_same_keys_in_any_company():
    factors, shifts = permutations_of(13, 126)
    texts = [f"word{i} and word{i + 1} with word{i % 7}" for i in range(50)] + ["", "alone"]

    together = fold_bands(sign_sets(shingle_texts(pa.array(texts), 2), factors, shifts), Banding(21, 6))
    for text, keys in zip(texts, together.tolist(), strict=True):
        alone = fold_bands(sign_sets(shingle_texts(pa.array([text]), 2), factors, shifts), Banding(21, 6))
        assert alone.tolist() == [keys]


def test_permutations_depend_on_the_seed_alone_and_are_permutations():
    factors, shifts = permutations_of(1, 64)

    assert (factors % 2 == 1).all()
    assert permutations_of(1, 64)[0].tolist() == factors.tolist()
    assert permutations_of(2, 64)[0].tolist() != factors.tolist()
    assert len(set(zip(factors.tolist(), shifts.tolist(), strict=True))) == 64
