"""The rules of a BEIR folder: which line is a header, how many columns a judgement has, what a grade and an id are."""

import math

import pytest

from schemas.beir import TABS, TREC, find_form, is_header, read_grade, read_id, read_judgement, whole_grade


@pytest.mark.parametrize(
    ("line", "form", "header"),
    [
        ("query-id\tcorpus-id\tscore\n", TABS, True),
        ("Query-ID\tCorpus-ID\tScore\r\n", TABS, True),
        ("query_id\tdoc_id\tPunkte\n", TABS, True),
        ("qid\titeration\tdocid\trel\n", TREC, True),
        ("q1\td1\t1\n", TABS, False),
        ("query\tdoc\t1\n", TABS, False),
        ("q1\td1\tinf\n", TABS, False),
        ("1\t0\t10\t1\n", TREC, False),
        ("1 Q0 10 1\n", TREC, False),
        ("1\t7\t10\t1\n", TABS, False),
    ],
)
def test_the_first_line_tells_the_form_and_whether_it_is_a_header(line, form, header):
    assert (find_form(line), is_header(line)) == (form, header)


@pytest.mark.parametrize("line", ["corpus-id\tquery-id\tscore", "query_id\tdoc_id\trelevance\titeration", "qid\tdocid"])
def test_a_header_of_another_order_is_refused(line):
    with pytest.raises(ValueError, match="the columns must be query id"):
        find_form(line)


def test_a_judgement_has_the_columns_of_its_form_and_its_ids_stay_strings():
    assert read_judgement("01\t1.0\t2\r\n") == ("01", "1.0", 2)
    assert read_judgement("1 0 10 2\n", TREC) == ("1", "10", 2)
    assert read_judgement("1\tQ0\t10\t0.5\n", TREC) == ("1", "10", 0.5)


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("1\t0\t10\t1", TABS),
        ("q\td", TABS),
        ("q d 1", TABS),
        ("\td\t1", TABS),
        ("q\t \t1", TABS),
        ("q\td\t1", TREC),
        ("q\tx\td\t1", TREC),
    ],
)
def test_a_line_of_another_shape_is_refused(line, form):
    with pytest.raises(ValueError, match="the line must be"):
        read_judgement(line, form)


def test_a_grade_is_a_plain_decimal_number():
    assert [read_grade(text) for text in ("1", "-1", "0.5", "2.0", " 3 ", "+1")] == [1, -1, 0.5, 2, 3, 1]
    assert isinstance(read_grade("2.0"), int)


@pytest.mark.parametrize(
    "text", ["inf", "nan", "1e10", "1_0", "0x10", "٣", "１", "99999999999", "", "1.", "one", "1" * 99]
)
def test_what_else_python_takes_for_a_number_is_no_grade(text):
    with pytest.raises(ValueError, match="the grade must be a number"):
        read_grade(text)


def test_whole_grades_keep_relevant_apart_from_not_relevant():
    assert [whole_grade(grade) for grade in (-1, 0, 0.1, 0.5, 1.5, 2.4, 3)] == [0, 0, 1, 1, 2, 2, 3]


def test_an_id_is_a_string_or_the_digits_of_a_whole_number():
    assert [read_id(value) for value in ("3.0", 3, 3.0, "", None, math.nan)] == ["3.0", "3", "3", None, None, None]
    for value in (3.5, math.inf, 1e300, True, [1]):
        with pytest.raises(ValueError, match="must be a string or a whole number"):
            read_id(value)
