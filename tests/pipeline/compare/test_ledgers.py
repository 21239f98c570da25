"""Two ledgers of the same queries: what moved, and how hard the negatives stand to the positive on either side."""

import pytest

from pipeline.compare.ledgers import ABSENT, KEPT, compare_ledgers, count_moves, measure_hardness, measure_moves

COLUMNS = "query_id string, doc_id string, is_positive boolean, dense double, fn_probability double, drop_reason string"


@pytest.fixture
def ledgers(spark):
    before = [
        ("q", "p", True, 0.5, None, "positive"),
        ("q", "a", False, 0.9, 0.4, "likely_positive"),
        ("q", "b", False, 0.4, 0.1, None),
        ("q", "c", False, 0.3, 0.0, "surplus"),
    ]
    after = [
        ("q", "p", True, 0.9, None, "positive"),
        ("q", "a", False, 0.8, 0.1, None),
        ("q", "b", False, 0.7, 0.1, None),
        ("q", "d", False, 0.95, 0.9, "likely_positive"),
    ]
    return spark.createDataFrame(before, COLUMNS), spark.createDataFrame(after, COLUMNS)


def test_every_candidate_of_either_side_has_its_fate_and_its_rank_on_both(ledgers):
    found = {
        row.doc_id: (row.was, row["is"], row.rank_before, row.rank_after) for row in compare_ledgers(*ledgers).collect()
    }

    assert found == {
        "a": ("likely_positive", KEPT, 1, 2),
        "b": (KEPT, KEPT, 2, 3),
        "c": ("surplus", ABSENT, 3, None),
        "d": (ABSENT, "likely_positive", None, 1),
    }


def test_the_figures_count_what_is_there_on_both_sides(ledgers):
    moves = compare_ledgers(*ledgers)

    assert measure_moves(moves).first().asDict() == {
        "before": 3,
        "after": 3,
        "both": 2,
        "kept_both": 1,
        "moved": 1.0,
    }
    assert sum(row.candidates for row in count_moves(moves).collect()) == 4


def test_hardness_is_told_in_relation_to_the_positive(ledgers):
    before, after = (measure_hardness(frame).first().asDict() for frame in ledgers)

    assert (before["kept"], before["queries"], before["above"]) == (1, 1, 0.0)
    assert before["gap"] == pytest.approx(-0.1)
    assert before["first"] == 0.0
    assert after["kept"] == 2
    assert after["gap"] == pytest.approx(-0.15)


def test_a_ledger_without_negatives_has_no_figure_of_them(spark, ledgers):
    empty = spark.createDataFrame([("q", "p", True, 0.5, None, "positive")], COLUMNS)

    found = measure_hardness(empty).first().asDict()

    assert (found["kept"], found["queries"], found["gap"], found["first"]) == (0, 0, None, None)
    assert measure_moves(compare_ledgers(empty, empty)).first().asDict()["moved"] is None
