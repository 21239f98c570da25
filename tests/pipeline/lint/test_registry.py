"""Planted faults of every kind are found where they are, and nothing else is named."""

import pytest

from pipeline.guard.config import DOCUMENT, QUERY
from pipeline.lint.registry import KINDS, run_checks
from tests.bench.negatives.planter import plant_faults
from tests.pipeline.lint.sets import look_at, make_rows, make_words, places_of, write_jsonl

EACH = 12
ALONE = {"positive_as_negative", "near_positive"}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    exam = make_rows(EACH, seed=99)
    made = plant_faults(make_rows(600), make_words(), [(row["query"], row["pos"][0]) for row in exam], EACH)
    protected = [(f"q{i}", QUERY, row["query"]) for i, row in enumerate(exam)]
    protected += [(f"d{i}", DOCUMENT, row["pos"][0]) for i, row in enumerate(exam)]
    rows, found = look_at(write_jsonl(folder / "train.jsonl", made.rows), folder / "scratch", protected)
    return made, {kind: places_of(rows, finding) for kind, finding in found.items()}


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"near_duplicate_query"}))
def test_planted_faults_are_found_and_nothing_else_is_named(planted, kind):
    made, found = planted
    wanted = made.faults.get(kind, set())

    assert len(found[kind] & wanted) >= 0.95 * len(wanted)
    assert found[kind] - wanted - made.implied.get(kind, set()) == set()


def test_a_query_that_is_spelled_in_two_ways_is_named(planted):
    made, found = planted

    assert found["near_duplicate_query"] <= made.implied["near_duplicate_query"]
    assert len(found["near_duplicate_query"]) >= 0.95 * EACH


def test_what_is_ignored_is_not_looked_for(tmp_path):
    rows, found = look_at(write_jsonl(tmp_path / "train.jsonl", make_rows(5)), tmp_path / "scratch")

    assert set(found) == set(KINDS)
    assert rows.bad == []
    assert list(run_checks(None, KINDS)) == []
