"""What becomes of each candidate, and who is left with too few."""

import pytest

from pipeline.judge.config import JudgeConfig
from pipeline.judge.fusion import Calibration, Fusion, prior_fusion
from pipeline.judge.verdicts import count_starved, judge_candidates
from schemas.documents import DUPLICATES
from schemas.mining import SCORES, VERDICTS
from schemas.pairs import POSITIVES
from tests.pipeline.judge.rows import CFG, positive, score

# The probability is the cosine itself: rules can be read off the rows of a test.
COSINE_LOGIT = Fusion(("logit",), (0.0,), (1.0,), (1.0,), (0.0,), 0.0)


class CosineIsProbability(Calibration):
    def __init__(self):
        super().__init__("test", COSINE_LOGIT)

    def probability(self):
        from pyspark.sql import functions as F

        return F.col("dense")


@pytest.fixture
def judge(rows):
    def run(scores, positives, duplicates=(), cfg=CFG, calibration=None, partitions=2):
        frame = judge_candidates(
            rows(SCORES, *scores).repartition(partitions),
            rows(POSITIVES, *positives),
            rows(DUPLICATES, *duplicates),
            calibration or CosineIsProbability(),
            cfg,
        )
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
    cfg = JudgeConfig(tolerance=0.5, promote_above=0.8, per_query=2, min_dense=0.1, duplicate_cosine=0.97)
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


@pytest.mark.parametrize(
    ("best", "candidate", "is_vetoed"),
    [
        (0.8, 0.77, True),
        (0.8, 0.75, False),
        (0.8, 0.9, True),
        (-0.2, -0.2, True),
        (-0.2, -0.205, True),
        (-0.2, -0.22, False),  # a ratio would turn round below zero
    ],
)
def test_without_gold_the_veto_starts_5_percent_below_the_best_positive(judge, best, candidate, is_vetoed):
    cfg = JudgeConfig(min_dense=-1.0)
    scores = [
        score("q", "p", best, is_positive=True),
        score("q", "worse", best - 0.3, is_positive=True),
        score("q", "c", candidate),
    ]
    known = [positive("q", "p"), positive("q", "worse")]

    found = judge(scores, known, cfg=cfg, calibration=Calibration("prior", prior_fusion(cfg)))

    assert (found["q", "c"].drop_reason == "likely_positive") is is_vetoed


def test_what_answers_the_same_query_in_another_spelling_is_no_negative(judge):
    asked = [positive("q", "p"), ("other", "TEXT of q?", "answer", "title", 1.0, "raw", None)]

    found = judge([score("q", "answer", 0.3), score("q", "else", 0.2)], asked)

    assert found["q", "answer"].drop_reason == "duplicate_of_positive"
    assert found["q", "else"].drop_reason is None
