"""Gold and reviews move the prior, the teacher's vote is earned."""

import pandas as pd
import pytest

from pipeline.judge.calibrate import calibrate, weigh_teacher
from pipeline.judge.config import JudgeConfig
from pipeline.judge.prior import load_prior
from tests.pipeline.judge.rows import CFG, make_trials


def review(trials, every=7):
    rows = trials.iloc[::every].copy()
    return rows.assign(is_relevant=rows["hidden"], inclusion=1 / every)


def test_rows_in_another_order_give_the_same_calibration():
    trials, answers = make_trials(), review(make_trials(seed=9))
    shuffled = [frame.sample(frac=1.0, random_state=5) for frame in (trials, answers)]
    assert calibrate(shuffled[0], CFG, shuffled[1]) == calibrate(trials, CFG, answers)


def test_gold_beats_each_signal_alone_and_is_calibrated():
    found = calibrate(make_trials(queries=120), JudgeConfig())
    areas = found.figures["auc"]
    assert found.stands_on == "gold"
    assert all(areas["fusion"] > area + 0.02 for name, area in areas.items() if name != "fusion")
    assert found.figures["log_loss"]["fusion"] < 0.9 * found.figures["log_loss"]["base_rate"]
    for tenth in found.figures["table"]:
        assert tenth["predicted"] == pytest.approx(tenth["observed"], abs=0.08)


@pytest.mark.parametrize(
    "trials",
    [make_trials().iloc[:0], make_trials(several=False, hidden_each=1)],
    ids=["no gold", "one positive each"],
)
def test_without_gold_that_has_several_positives_the_prior_stands(trials):
    found = calibrate(trials, CFG)
    assert (found.belief, found.stands_on) == (load_prior(), "transferred")
    assert found.figures["completeness"] is None


@pytest.mark.parametrize(
    "trials",
    [
        make_trials(queries=3),
        make_trials(hidden_each=0),
        make_trials(others=0, hidden_each=20),
        make_trials(queries=1, hidden_each=50, others=50),
    ],
    ids=["few", "no positive", "no negative", "one query"],
)
def test_any_gold_moves_the_prior_and_none_breaks_it(trials):
    found = calibrate(trials, CFG)
    assert found.belief != load_prior()
    assert found.predict(trials).min() >= 0


def test_reviews_move_what_gold_left_open():
    trials = make_trials()
    trials["hidden"] &= trials.index % 4 == 0  # gold knows a quarter
    before = calibrate(trials, CFG)
    after = calibrate(trials, CFG, review(make_trials(seed=9, queries=100)))
    assert after.stands_on == "reviews"
    truth = make_trials()["hidden"].mean()
    spread = [float(each.draw_chances(trials).mean(axis=1).std()) for each in (before, after)]
    assert spread[1] < spread[0]
    assert after.predict(trials).mean() == pytest.approx(truth, abs=0.04)


def test_a_pair_that_was_reviewed_is_no_longer_gold():
    trials = make_trials(hidden_each=1)
    answers = trials.assign(is_relevant=True, inclusion=1.0)
    alone, both = (calibrate(gold, CFG, answers).belief for gold in (trials.iloc[:0], trials))
    assert both == alone


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
    taught, figures = weigh_teacher(trials, load_prior(), JudgeConfig())
    assert taught is None
    assert "0 hidden positives" in figures["why"]


def test_a_corpus_without_a_lexical_index_is_judged_by_the_other_signals():
    trials = make_trials()
    trials[["lexical_share", "log_lexical"]] = float("nan")
    found = calibrate(trials, CFG)
    assert pd.notna(found.predict(trials)).all()
    assert found.figures["auc"]["fusion"] > 0.85
