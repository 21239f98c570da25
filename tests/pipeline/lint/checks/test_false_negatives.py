"""The share of false negatives comes with an interval, which a sample makes wider; the likely ones are named."""

import numpy as np

from pipeline.lint.checks.false_negatives import estimate_rate
from pipeline.lint.signals import Measured
from tests.pipeline.lint.fakes import Judge, make_tools
from tests.pipeline.lint.sets import look_at, make_rows, places_of, write_jsonl


def test_negatives_like_the_positive_are_named_and_counted(tmp_path):
    rows = make_rows(60)
    for row in rows[:30]:
        words = row["pos"][0].split()
        row["neg"][2] = " ".join(words[::-1])

    seen, found = look_at(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "s", tools=make_tools(judge=Judge()))
    finding = found["false_negative"]

    named = places_of(seen, finding)
    assert {(row, "neg[2]") for row in range(30)} <= named
    assert finding.is_found
    rate = finding.figures["rate"]
    assert rate["low"] <= len(named) * 0.8 / 240 <= rate["high"]
    assert f"about {rate['estimate']:.0%} of all negatives are false, between" in finding.summary


def test_what_the_sample_leaves_open_makes_the_interval_wider():
    def rate(of):
        empty = np.zeros(50, np.int64)
        measured = Measured(empty, np.arange(50), empty, empty, None, empty, None, of)
        chance = np.tile([0.1, 0.9], 25)
        return estimate_rate(measured, chance, np.tile(chance, (200, 1)))

    whole, sample = rate(50), rate(5000)
    assert sample.high - sample.low > whole.high - whole.low > 0
    assert whole.estimate == sample.estimate == 0.5 or abs(whole.estimate - 0.5) < 0.02
