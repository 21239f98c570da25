"""Metrics against the long way to write them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluate.metrics import bootstrap_interval, score_query


def reference(hits, grades):
    """nDCG@10, Recall@5, Recall@100 and MRR@10 as trec_eval defines them, written the long way."""
    dcg = sum(grades.get(doc, 0) / math.log2(place + 2) for place, doc in enumerate(hits) if place < 10)
    ideal = sum(grade / math.log2(place + 2) for place, grade in enumerate(sorted(grades.values())[::-1]) if place < 10)
    relevant = {doc for doc, grade in grades.items() if grade}
    places = [place for place, doc in enumerate(hits[:10], 1) if doc in relevant]
    return (
        dcg / ideal,
        len(relevant & set(hits[:5])) / len(relevant),
        len(relevant & set(hits[:100])) / len(relevant),
        1 / places[0] if places else 0,
    )


@given(st.permutations(range(30)), st.dictionaries(st.integers(0, 40), st.integers(0, 3), min_size=1))
def test_metrics_agree_with_the_reference(order, grades):
    judged = {str(doc): grade for doc, grade in grades.items()} | {"must": 1}
    hits = [str(doc) for doc in order]

    assert score_query(hits, judged) == pytest.approx(reference(hits, judged))


def test_the_interval_is_the_percentile_bootstrap_of_the_mean():
    gaps = np.random.default_rng(1).normal(0.02, 0.1, size=(400, 2))
    rng = np.random.default_rng(2)
    means = np.array([gaps[rng.integers(400, size=400)].mean(axis=0) for _ in range(2000)])

    low, high = bootstrap_interval(gaps, 4000, seed=5)

    assert low == pytest.approx(np.quantile(means, 0.025, axis=0), abs=1.5e-3)
    assert high == pytest.approx(np.quantile(means, 0.975, axis=0), abs=1.5e-3)
    assert np.array_equal(low, bootstrap_interval(gaps, 4000, seed=5)[0])
