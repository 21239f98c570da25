"""Signals in relation to the query's own candidates."""

import math

import pytest
from pyspark.sql import functions as F

from pipeline.judge.signals import describe_signals, with_spread
from schemas.mining import SCORES
from tests.pipeline.judge.rows import score


@pytest.fixture
def describe(rows):
    def run(*scores, reference=0.8, partitions=2):
        frame = with_spread(rows(SCORES, *scores).repartition(partitions)).withColumn("reference", F.lit(reference))
        found = describe_signals(frame.withColumn("is_shown", F.col("is_positive"))).collect()
        return {(row.query_id, row.doc_id): row for row in found}

    return run


def test_signals_are_described_per_query_and_missing_stays_missing(describe):
    found = describe(
        score("q", "p", 0.8, is_positive=True, ann_rank=1, bm25_rank=3, bm25=6.0),
        score("q", "a", 0.5, bm25_rank=4, bm25=3.0, ann_rank=9, teacher=0.5, similar=0.4),
        score("q", "b", 0.7, bm25_rank=1, bm25=12.0, ann_rank=None, similar=0.8),
        score("r", "a", 0.6, ann_rank=None),
    )
    a, b, alone = found["q", "a"], found["q", "b"], found["r", "a"]
    spread = round(math.sqrt(((0.1**2) * 2) / 3), 4)  # of 0.5, 0.7 and 0.6: the known positive is no candidate
    assert (a.gap, a.gap_spread, a.lexical_share, a.teacher_logit) == (-0.3, pytest.approx(-0.3 / spread), 0.25, 0.0)
    assert (a.cosine_z, b.cosine_z, a.positive_z, b.positive_z) == (-1.0, 1.0, -1.0, 1.0)
    assert a.log_lexical == pytest.approx(math.log(4), abs=1e-6)
    assert b.log_dense == pytest.approx(math.log(1.5 * 9), abs=1e-6)  # not found: beyond the deepest
    missing = (
        alone.teacher_logit,
        alone.lexical_share,
        alone.log_lexical,
        alone.log_dense,
        alone.positive_z,
        alone.cosine_z,
    )
    assert missing == (None,) * 6
    assert (alone.is_found, a.is_found) == (False, True)


def test_without_a_positive_there_is_no_distance_to_it(describe):
    found = describe(score("q", "a", 0.5), score("q", "b", 0.4), reference=None)
    assert {row.gap_spread for row in found.values()} == {None}


def test_an_encoder_that_squeezes_cosines_gives_the_same_signals(describe):
    """Another encoder with a third of the spread around another mean."""
    cosines = {"p": 0.8, "a": 0.5, "b": 0.7, "c": 0.2}

    def of(scale, shift):
        made = [
            score("q", doc, cosine * scale + shift, doc == "p", similar=cosine * scale + shift)
            for doc, cosine in cosines.items()
        ]
        return describe(*made, reference=0.8 * scale + shift)

    plain, squeezed = of(1.0, 0.0), of(0.3, 0.6)
    for key, row in plain.items():
        for name in ("cosine_z", "gap_spread", "positive_z"):
            assert squeezed[key][name] == pytest.approx(row[name], abs=5e-3)


@pytest.mark.parametrize("partitions", [1, 7])
def test_signals_do_not_depend_on_the_partitions(describe, partitions):
    scores = [
        score(query, doc, 0.1 + 0.07 * at, similar=0.3 + 0.01 * at)
        for query in "qrs"
        for at, doc in enumerate("abcdef")
    ]
    assert describe(*scores, partitions=partitions) == describe(*scores)
