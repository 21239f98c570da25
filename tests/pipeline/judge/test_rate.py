"""Rates with their interval: without reviews, and after some."""

import numpy as np
import pytest

from pipeline.judge.rate import GOLD, REVIEWS, Answers, Rate, in_words, predict_rate, update_rate

WIDE = Rate(0.16, 0.03, 0.5)


def draw(random, chance, is_wrong, inclusion):
    """Draw pairs, each with its own probability, and answer them truly."""
    drawn = random.random(len(chance)) < inclusion
    return Answers(chance[drawn], is_wrong[drawn], inclusion[drawn])


def simulate(seed, bias=0.0, rate=0.15, size=2000):
    """A set whose truth follows the probabilities but for a bias in the logit."""
    random = np.random.default_rng(seed)
    logit = np.log(rate / (1 - rate)) + random.normal(size=size)
    is_wrong = random.random(size) < 1 / (1 + np.exp(-logit))
    return random, 1 / (1 + np.exp(-(logit + bias))), is_wrong


def test_draws_say_mean_and_interval():
    found = predict_rate(np.linspace(0, 1, 1001) ** 2, GOLD)
    assert (found.estimate, found.low, found.high) == pytest.approx((1 / 3, 0.025**2, 0.975**2), abs=1e-3)
    assert (found.stands_on, found.pairs) == (GOLD, 0)
    with pytest.raises(ValueError, match="at least one rate"):
        predict_rate(np.zeros(0))


def test_without_answers_nothing_moves():
    nothing = Answers(np.zeros(0), np.zeros(0, bool), np.zeros(0))
    assert update_rate(WIDE, np.full(10, 0.1), nothing) is WIDE


@pytest.mark.parametrize("bias", [-1.5, 0.0, 1.5])
def test_the_truth_lies_in_the_interval_however_biased_the_probabilities_are(bias):
    held, errors, widths = 0, [], []
    for seed in range(200):
        random, chance, is_wrong = simulate(seed, bias)
        inclusion = np.full(len(chance), 100 / len(chance))
        found = update_rate(WIDE, chance, draw(random, chance, is_wrong, inclusion))
        held += found.low <= is_wrong.mean() <= found.high
        errors.append(abs(found.estimate - is_wrong.mean()))
        widths.append(found.high - found.low)
    assert held >= 184  # of 200, where 190 are meant
    assert np.mean(errors) < 0.035
    assert np.mean(widths) < 0.18


def test_pairs_drawn_unequally_are_weighted():
    """Likely pairs are drawn four times as often: their plain share would be far too high."""
    found, plain = [], []
    for seed in range(200):
        random, chance, is_wrong = simulate(seed)
        inclusion = np.where(chance > np.median(chance), 0.08, 0.02)
        answers = draw(random, chance, is_wrong, inclusion)
        found.append(update_rate(WIDE, chance, answers).estimate - is_wrong.mean())
        plain.append(answers.is_wrong.mean() - is_wrong.mean())
    assert abs(np.mean(found)) < 0.015 < np.mean(plain)


def test_more_answers_narrow_the_interval():
    random, chance, is_wrong = simulate(1)
    widths = []
    for share in (0.02, 0.1, 0.5):
        found = update_rate(WIDE, chance, draw(random, chance, is_wrong, np.full(len(chance), share)))
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.06


def test_all_right_does_not_mean_never_wrong():
    answers = Answers(np.full(20, 0.1), np.zeros(20, bool), np.ones(20))
    found = update_rate(WIDE, np.full(500, 0.1), answers)
    assert found.low < 0.02
    assert 0.05 < found.high < 0.25


@pytest.mark.parametrize(
    ("rate", "says"),
    [
        (Rate(0.15, 0.041, 0.302), "between 4 and 31 %; review 100 pairs to know"),
        (
            Rate(0.15, 0.041, 0.302, 40, REVIEWS),
            "between 4 and 31 %, by 40 reviewed pairs; review 60 more pairs to know",
        ),
        (Rate(0.05, 0.04, 0.06, 100, REVIEWS), "between 4 and 6 %, by 100 reviewed pairs"),
        (Rate(0.0, 0.0, 0.0, 0, GOLD), "about 0 %"),
    ],
)
def test_a_rate_is_said_in_words(rate, says):
    assert in_words(rate) == says


def test_a_rate_survives_json():
    assert Rate.read(WIDE.as_dict()) == WIDE
