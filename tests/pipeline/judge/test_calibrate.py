"""Calibration: fitted where there is gold, the prior where there is too little, the teacher's vote earned."""

import math

import pytest

from pipeline.judge.calibrate import calibrate, weigh_teacher
from pipeline.judge.config import JudgeConfig
from pipeline.judge.fusion import FEATURES, Calibration, Fusion
from tests.pipeline.judge.rows import CFG, make_trials


def test_rows_in_another_order_give_the_same_calibration():
    trials = make_trials()
    assert calibrate(trials.sample(frac=1.0, random_state=5), CFG) == calibrate(trials, CFG)


def test_the_fusion_beats_each_signal_alone_and_is_calibrated():
    found = calibrate(make_trials(queries=120), JudgeConfig())
    areas = found.figures["auc"]
    assert found.mode == "several"
    assert all(areas["fusion"] > area + 0.02 for name, area in areas.items() if name != "fusion")
    assert found.figures["log_loss"]["fusion"] < 0.9 * found.figures["log_loss"]["base_rate"]
    for tenth in found.figures["table"]:
        assert tenth["predicted"] == pytest.approx(tenth["observed"], abs=0.06)


def test_queries_with_one_positive_serve_where_none_has_several():
    found = calibrate(make_trials(several=False, hidden_each=1), JudgeConfig())
    assert (found.mode, found.fusion.features) == ("single", FEATURES["single"])


@pytest.mark.parametrize(
    "trials",
    [
        make_trials(queries=3),
        make_trials(hidden_each=0),
        make_trials(others=0, hidden_each=20),
        make_trials(queries=1, hidden_each=50, others=50),  # one query fills one fold
        make_trials().iloc[:0],
    ],
    ids=["few", "no positive", "no negative", "one query", "no gold"],
)
def test_too_little_gold_falls_back_to_the_prior_and_says_why(trials):
    found = calibrate(trials, JudgeConfig())
    assert found.mode == "prior"
    assert found.fusion.features == ("excess",)
    assert "40 are needed" in found.figures["why"]


def test_a_teacher_that_knows_more_earns_its_vote():
    trials = make_trials(teacher_says=lambda lift, random: 2.5 * lift + random.normal(size=len(lift)))
    found = calibrate(trials, JudgeConfig())
    vote = found.figures["teacher"]
    assert vote["earned"]
    assert vote["log_loss"]["with"] < vote["log_loss"]["without"]
    assert found.taught.features[-1] == "teacher_logit"


@pytest.mark.parametrize(
    "says",
    [
        lambda lift, random: random.normal(size=len(lift)),
        lambda lift, random: -2.5 * lift + random.normal(size=len(lift)),
    ],
    ids=["noise", "upside down"],
)
def test_a_teacher_that_adds_nothing_or_is_wrong_has_no_vote(says):
    found = calibrate(make_trials(teacher_says=says), JudgeConfig())
    assert found.taught is None
    assert not found.figures["teacher"]["earned"]


def test_a_teacher_is_not_measured_on_what_it_learned_from():
    trials = make_trials(teacher_says=lambda lift, random: 9.0 * lift)
    trials["is_held_out"] = False
    taught, figures = weigh_teacher(trials, FEATURES["several"], JudgeConfig())
    assert taught is None
    assert "0 hidden positives" in figures["why"]


def test_rows_that_the_teacher_did_not_score_are_judged_by_the_rest(spark):
    plain = Fusion(("dense",), (0.0,), (1.0,), (0.0,), (0.0,), -2.0)
    taught = Fusion(("teacher_logit",), (0.0,), (1.0,), (1.0,), (0.0,), 0.0)
    frame = spark.createDataFrame([(0.5, 1.0), (0.5, None)], "dense double, teacher_logit double")
    found = [row.p for row in frame.select(Calibration("several", plain, taught).probability().alias("p")).collect()]
    assert found == [round(1 / (1 + math.exp(-1)), 6), round(1 / (1 + math.exp(2)), 6)]
