"""What becomes of each candidate, and who is left with too few."""

import pytest

from pipeline.judge.config import JudgeConfig
from pipeline.judge.fusion import Belief, Calibration
from pipeline.judge.signals import with_spread
from pipeline.judge.verdicts import count_starved, describe_candidates, judge_candidates
from schemas.documents import DUPLICATES
from schemas.mining import SCORES, VERDICTS
from schemas.pairs import POSITIVES
from tests.pipeline.judge.rows import CFG, positive, score

# The probability is the cosine itself: rules can be read off the rows of a test.
NOTHING = Belief(("cosine_z",), (0.0,), (1.0,), (0.0, 0.0), ((1.0, 0.0), (0.0, 1.0)))


class CosineIsProbability(Calibration):
    def __init__(self):
        super().__init__(NOTHING)

    def probability(self):
        from pyspark.sql import functions as F

        return F.col("dense")

    def lower_bound(self):
        from pyspark.sql import functions as F

        return F.col("dense") - 0.02


@pytest.fixture
def judge(rows):
    def run(scores, positives, duplicates=(), cfg=CFG, calibration=None, partitions=2, price=0.0):
        described = describe_candidates(
            with_spread(rows(SCORES, *scores).repartition(partitions)),
            rows(POSITIVES, *positives),
            rows(DUPLICATES, *duplicates),
            calibration or CosineIsProbability(),
            cfg,
        )
        frame = judge_candidates(described, cfg, price)
        assert tuple(frame.columns) == VERDICTS.names
        return {(row.query_id, row.doc_id): row for row in frame.collect()}

    return run


def test_every_candidate_stays_in_the_ledger_with_its_reason(judge):
    scores = [
        score("q", "known", 0.9, is_positive=True),
        score("q", "twin", 0.3),
        score("q", "copy", 0.3, similar=0.98),
        score("q", "sure", 0.85),
        score("q", "likely", 0.6),
        score("q", "hard", 0.5),
        score("q", "good", 0.4),
        score("q", "third", 0.35),
        score("q", "easy", 0.05),
    ]
    cfg = JudgeConfig(
        rule="threshold", tolerance=0.5, promote_above=0.8, per_query=2, min_dense=0.1, duplicate_cosine=0.97
    )
    gone = [("gone", "twin", "near", 0.9, None)]

    found = judge(scores, [positive("q", "known"), positive("q", "gone", reason="duplicate_pair")], gone, cfg)

    assert {doc: (row.verdict, row.drop_reason, row.rank) for (_, doc), row in found.items()} == {
        "known": ("dropped", "positive", 1),
        "twin": ("vetoed", "duplicate_of_positive", 2),
        "copy": ("vetoed", "duplicate_of_positive", 1),
        "sure": ("relabelled", "promoted", 1),
        "likely": ("vetoed", "likely_positive", 1),
        "hard": ("kept", None, 1),
        "good": ("kept", None, 2),
        "third": ("dropped", "surplus", 1),
        "easy": ("dropped", "too_easy", 1),
    }
    assert {row.threshold for row in found.values()} == {0.5}
    assert found["q", "known"].fn_probability is None
    assert found["q", "likely"].fn_probability == 0.6


@pytest.mark.parametrize("partitions", [1, 7])
def test_ties_fall_to_the_smaller_id_however_the_input_is_partitioned(judge, partitions):
    scores = [score(query, doc, 0.25) for query in ("q", "r") for doc in "dcba"]
    found = judge(scores, [positive("q", "p"), positive("r", "p")], partitions=partitions)
    assert {key for key, row in found.items() if row.drop_reason is None} == {
        ("q", "a"),
        ("q", "b"),
        ("r", "a"),
        ("r", "b"),
    }
    assert len(found) == len(scores)


def test_a_positive_of_another_query_is_a_fair_negative(judge):
    found = judge([score("q", "p", 0.4), score("r", "p", 0.9, is_positive=True)], [positive("r", "p")])
    assert found["q", "p"].verdict == "kept"


def test_both_survivor_and_twin_of_a_positive_are_vetoed(judge):
    duplicates = [("old", "new", "exact", 1.0, None), ("third", "new", "near", 0.8, None)]
    found = judge([score("q", "third", 0.3), score("q", "new", 0.3)], [positive("q", "old")], duplicates)
    assert {row.drop_reason for row in found.values()} == {"duplicate_of_positive"}


def test_starved_queries_are_counted_by_what_took_their_candidates(judge, rows):
    scores = [
        score("full", "a", 0.3),
        score("full", "b", 0.3),
        score("vetoed", "a", 0.9),
        score("vetoed", "b", 0.8),
        score("vetoed", "c", 0.3),
        score("small", "a", 0.3),
        score("easy", "a", 0.01),
        score("easy", "b", 0.01),
    ]
    verdicts = rows(VERDICTS, *map(tuple, judge(scores, []).values()))

    found = {row.main_reason: (row.queries, row.missing) for row in count_starved(verdicts, 2).collect()}

    assert found == {"few_candidates": (1, 1), "likely_positive": (1, 1), "too_easy": (1, 2)}


def test_relabelling_wants_the_lower_bound_above(judge):
    cfg = JudgeConfig(rule="threshold", tolerance=0.5, promote_above=0.8)
    found = judge([score("q", "sure", 0.83), score("q", "unsure", 0.81)], [positive("q", "p")], cfg=cfg)
    assert (found["q", "sure"].verdict, found["q", "unsure"].verdict) == ("relabelled", "vetoed")


def test_a_query_that_starves_takes_the_least_likely_above_and_says_how_far(judge):
    cfg = JudgeConfig(rule="threshold", tolerance=0.3, widest=0.5, per_query=3)
    scores = [score("q", doc, cosine) for doc, cosine in (("a", 0.6), ("b", 0.45), ("c", 0.4), ("d", 0.25))]
    found = judge([*scores, score("full", "x", 0.2)], [positive("q", "p")], cfg=cfg)
    assert {doc for (query, doc), row in found.items() if row.verdict == "kept" and query == "q"} == {"b", "c", "d"}
    assert (found["q", "a"].drop_reason, found["q", "a"].threshold) == ("likely_positive", 0.45)
    assert found["full", "x"].threshold == 0.3


def test_at_a_price_the_riskiest_are_left_to_easier_ones(judge):
    cfg = JudgeConfig(rule="trade_off", tolerance=0.3, widest=0.9, per_query=2)
    scores = [score("q", doc, cosine) for doc, cosine in (("a", 0.6), ("b", 0.45), ("c", 0.25), ("d", 0.2))]
    taken = {}
    for price in (0.0, 3.0):
        found = judge(scores, [positive("q", "p")], cfg=cfg, price=price)
        taken[price] = [doc for (_, doc), row in sorted(found.items()) if row.verdict == "kept"]
        reasons = {doc: row.drop_reason for (_, doc), row in found.items() if row.verdict != "kept"}
    assert taken == {0.0: ["a", "b"], 3.0: ["c", "d"]}
    assert reasons == {"a": "likely_positive", "b": "likely_positive"}


def test_what_answers_the_same_query_in_another_spelling_is_no_negative(judge):
    asked = [positive("q", "p"), ("other", "TEXT of q?", "answer", "title", 1.0, "raw", None)]

    found = judge([score("q", "answer", 0.3), score("q", "else", 0.2)], asked)

    assert found["q", "answer"].drop_reason == "duplicate_of_positive"
    assert found["q", "else"].drop_reason is None
