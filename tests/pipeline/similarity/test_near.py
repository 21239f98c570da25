"""Every colliding pair is verified or already in one component, without comparing all with all."""

from __future__ import annotations

import random
import time

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from pipeline.similarity.minhash import Banding, Signing
from pipeline.similarity.near import link_bucket, link_near, sign_texts, verify_spokes
from pipeline.similarity.shingles import jaccards, shingle_texts

WORDS = Signing(ngram=1, banding=Banding(21, 6), seed=13)


def similar_pairs(texts: list[str], threshold: float) -> list[tuple[int, int]]:
    sets = [set(text.split()) for text in texts]
    pairs = [(a, b) for a in range(len(texts)) for b in range(a)]
    return [(a, b) for a, b in pairs if round(len(sets[a] & sets[b]) / len(sets[a] | sets[b]), 6) >= threshold]


@pytest.mark.parametrize("seed", range(40))
def test_a_bucket_is_linked_as_if_all_its_pairs_were_compared(union_find, seed):
    rng = random.Random(seed)
    texts = [" ".join(rng.sample("abcdefgh", rng.randint(3, 7))) for _ in range(24)]
    roots = [rng.randrange(10) for _ in texts]

    left, right, found = link_bucket(shingle_texts(pa.array(texts), 1), np.array(roots), 0.7)

    given = [(a, b) for a in range(24) for b in range(a) if roots[a] == roots[b]]
    links = list(zip(left.tolist(), right.tolist(), strict=True))
    assert union_find(given + links) == union_find(given + similar_pairs(texts, 0.7))
    exact = jaccards(*(shingle_texts(pa.array([texts[i] for i in side]), 1) for side in (left, right)))
    assert found.tolist() == exact.tolist()
    assert len(links) < len(set(roots))  # a forest over the components, not all pairs


def test_pairs_below_the_threshold_are_never_reported(spark):
    texts = spark.createDataFrame([(1, "a b c d"), (2, "a b c d e"), (3, "a b c x y")], "node long, text string")
    signatures = sign_texts(texts, WORDS).localCheckpoint()
    pairs = spark.createDataFrame([(1, 2), (1, 3), (2, 3)], "hub long, node long")

    got = verify_spokes(pairs, signatures, signatures, 0.8).collect()

    assert [tuple(row) for row in got] == [(1, 2, 0.8)]


def test_a_text_without_words_has_no_bands_and_what_is_carried_stays(spark):
    texts = spark.createDataFrame(
        [(1, "--- !", "a"), (2, "word", "b"), (3, None, "c")], "node long, text string, name string"
    )

    signed = sign_texts(texts, WORDS).collect()

    assert [(row["name"], row["node"], row["size"], len(row["bands"])) for row in signed] == [
        ("a", 1, 0, 0),
        ("b", 2, 1, 21),
        ("c", 3, 0, 0),
    ]


def test_a_link_that_the_smallest_text_of_the_bucket_would_hide_is_found(spark):
    """One band of one row: all texts share the word that makes the minimum, node 1 is like none of the others."""
    signing = Signing(ngram=1, banding=Banding(1, 1), seed=13)
    texts = [(1, "k a b c d e"), (2, "k p q r s"), (3, "k p q r t"), (4, "k u v w x y z")]
    signatures = sign_texts(spark.createDataFrame(texts, "node long, text string"), signing).localCheckpoint()
    collided = signatures.withColumn("bands", F.array(F.lit(0).cast("long")))  # the bucket that this is about

    got = [tuple(row) for row in link_near(collided, 0.6).collect()]

    assert [(min(a, b), max(a, b), j) for a, b, j in got] == [(2, 3, 0.666667)]


def test_a_chain_is_one_component_although_its_ends_share_nothing(spark, union_find, chain):
    texts = list(enumerate(chain(300)))
    signatures = sign_texts(spark.createDataFrame(texts, "node long, text string"), WORDS).localCheckpoint()

    links = [(row["left"], row["right"]) for row in link_near(signatures, 0.8).collect()]

    assert set(union_find(links)) == set(range(300))
    assert set(union_find(links).values()) == {0}


def test_a_bucket_of_thousands_of_near_copies_is_linear():
    """4,000 texts in one component and one outside: 4,000 comparisons, not 8,000,000."""
    texts = [f"{' '.join(f'w{j}' for j in range(60))} n{i}" for i in range(4_000)] + ["something else altogether"]
    sets = shingle_texts(pa.array(texts), 1)
    roots = np.array([0] * 4_000 + [1])

    started = time.process_time()
    left, _, _ = link_bucket(sets, roots, 0.8)

    assert len(left) == 0
    assert time.process_time() - started < 2.0
