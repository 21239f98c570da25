"""The layout of a file is told by its rows; names that say nothing are taken in their order."""

import math

import pytest

from pipeline.lint.layouts.layout import NEGATIVE, PAIRED, POSITIVE, RowFaultError
from pipeline.lint.layouts.registry import find_reading
from schemas.errors import RecipeError


def texts(reading, row):
    parts = reading.parts(row)
    return parts.query, [(each.role, each.text) for each in parts.passages]


@pytest.mark.parametrize(
    ("row", "layout"),
    [
        ({"anchor": "q", "positive": "p", "negative": "n"}, "sentence-transformers"),
        ({"id": "7", "query": "q", "answer": "p", "negative_1": "n", "split": "x"}, "sentence-transformers"),
        ({"frage": "q", "antwort": "p", "falsch": "n"}, "sentence-transformers"),
        ({"query": "q", "pos": ["p"], "neg": ["n"]}, "flagembedding"),
        ({"query": "q", "positive": "p", "negatives": ["n"], "batch": 1}, "flagembedding"),
        (
            {"query_id": "1", "query": "q", "positive_passages": [{"text": "p"}], "negative_passages": [{"text": "n"}]},
            "tevatron",
        ),
    ],
)
def test_a_layout_is_told_by_its_rows(row, layout):
    reading = find_reading("f", [row])

    assert reading.layout == layout
    assert texts(reading, row) == ("q", [(POSITIVE, "p"), (NEGATIVE, "n")])


def test_negatives_come_in_the_order_of_their_numbers():
    row = {"anchor": "q", "positive": "p", "negative_10": "c", "negative_2": "b", "negative_1": "a"}

    assert [text for _, text in texts(find_reading("f", [row]), row)[1]] == ["p", "a", "b", "c"]


def test_named_columns_outrank_names_and_order():
    row = {"a": "n", "b": "q", "c": "p"}

    assert texts(find_reading("f", [row], columns=["b", "c", "a"]), row) == ("q", [(POSITIVE, "p"), (NEGATIVE, "n")])


def test_a_label_says_whether_a_text_answers():
    rows = [{"sentence1": "q", "sentence2": "d", "label": label} for label in (1, 0)]
    reading = find_reading("f", rows)

    assert [texts(reading, row)[1] for row in rows] == [[(POSITIVE, "d")], [(NEGATIVE, "d")]]
    scored = [{"sentence1": "q", "sentence2": "d", "score": 0.4}]
    assert texts(find_reading("f", scored), scored[0])[1] == [(PAIRED, "d")]
    assert reading.parts({"sentence1": "q", "sentence2": "d", "label": 7}).notes == ("label must be 0 or 1, got '7'",)


def test_scores_stand_beside_their_texts_or_are_noted():
    row = {"query": "q", "pos": ["p"], "neg": ["a", "b"], "pos_scores": [0.9], "neg_scores": [0.1]}
    parts = find_reading("f", [row]).parts(row)

    assert parts.passages[0].score == 0.9
    assert all(math.isnan(each.score) for each in parts.passages[1:])
    assert parts.notes == ("neg_scores must be 2 numbers, one a text, got 1",)


def test_a_passage_is_compared_with_its_title():
    row = {"query": "q", "positive_passages": [{"docid": "1", "title": "T", "text": "p"}]}

    assert texts(find_reading("f", [row]), row) == ("q", [(POSITIVE, "T p")])


@pytest.mark.parametrize(
    ("row", "dropped", "left"),
    [
        (
            {"query": "q", "pos": ["p"], "neg": ["a", "b", "c"], "neg_scores": [1, 2, 3]},
            {"neg[1]"},
            ({"query": "q", "pos": ["p"], "neg": ["a", "c"], "neg_scores": [1, 3]}, 0),
        ),
        (
            {"anchor": "q", "positive": "p", "negative_1": "a", "negative_2": "b"},
            {"negative_1"},
            ({"anchor": "q", "positive": "p", "negative_1": "b"}, 1),
        ),
        (
            {"query": "q", "positive_passages": [{"text": "p"}], "negative_passages": [{"text": "a"}, {"text": "b"}]},
            {"negative_passages[0]"},
            ({"query": "q", "positive_passages": [{"text": "p"}], "negative_passages": [{"text": "b"}]}, 0),
        ),
    ],
)
def test_what_is_dropped_leaves_with_what_stands_beside_it(row, dropped, left):
    assert find_reading("f", [row]).without(row, dropped) == left


def test_rows_of_no_layout_are_refused_with_their_columns():
    with pytest.raises(RecipeError, match=r"got 'columns title, url'.*--columns"):
        find_reading("f", [{"title": "t", "url": "u"}])
    with pytest.raises(RecipeError, match=r"--columns must be .*a, b"):
        find_reading("f", [{"a": "t", "b": "u"}], columns=["a", "x"])


def test_a_cell_that_is_no_text_is_a_fault_of_its_row():
    reading = find_reading("f", [{"query": "q", "pos": ["p"], "neg": ["n"]}])

    with pytest.raises(RowFaultError, match=r"neg\[0\] must be a text, got int"):
        reading.parts({"query": "q", "pos": ["p"], "neg": [3]})
