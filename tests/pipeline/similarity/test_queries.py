"""Queries near a protected one are found, by the same rule as a comparison of all with all."""

import random

import pytest

from pipeline.similarity.queries import find_protected


def found(spark, mine, theirs, similarity=0.8):
    forms = spark.createDataFrame(list(mine.items()), "query_id string, form string")
    protected = spark.createDataFrame([(each, each) for each in theirs], "query_id string, form string")
    return sorted(row.query_id for row in find_protected(forms, protected, similarity).collect())


def test_equal_words_and_four_of_five_are_near_enough(spark):
    mine = {
        "same": "sum of the rows",
        "four of five": "sum of all rows",
        "three of five": "sum of some columns",
        "none": "x",
    }

    assert found(spark, mine, ["rows the of sum", "sum of all the rows"]) == ["four of five", "same"]


def test_an_empty_query_is_near_nothing(spark):
    assert found(spark, {"empty": ""}, ["", "a"]) == []


def test_a_query_without_words_is_near_itself_alone(spark):
    forms = spark.createDataFrame([("pizza", ""), ("burger", "")], "query_id string, form string")
    protected = spark.createDataFrame([("pizza", "")], "query_id string, form string")

    assert [row.query_id for row in find_protected(forms, protected, 0.8).collect()] == ["pizza"]


@pytest.mark.parametrize("similarity", [0.5, 0.8, 1.0])
def test_the_prefix_loses_no_pair_that_all_against_all_finds(spark, similarity):
    draw = random.Random(5)
    words = [letter * size for letter in "abcdef" for size in (1, 2)]
    mine = {str(n): " ".join(draw.choices(words, k=draw.randint(1, 8))) for n in range(120)}
    theirs = [" ".join(draw.choices(words, k=draw.randint(1, 8))) for _ in range(40)]

    def jaccard(one, other):
        a, b = set(one.split()), set(other.split())
        return len(a & b) / len(a | b)

    expected = sorted(
        key for key, form in mine.items() if any(round(jaccard(form, each), 6) >= similarity for each in theirs)
    )
    assert 0 < len(expected) < len(mine)
    assert found(spark, mine, theirs, similarity) == expected
