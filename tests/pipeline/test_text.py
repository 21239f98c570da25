"""Cleaning, identities and the coarser forms: what a reader tells apart stays apart, what none sees is gone."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ids import hash_text
from pipeline.text import clean_text, count_seen, cut_marks, exact_form, normal_form, spelling, words

TOLD_APART = [
    ("बल क्या है", "बाल क्या है"),
    ("বল", "বাল"),
    ("மரம்", "மாரம்"),
    ("పల", "పాల"),
    ("שָׁלוֹם", "שלום"),
    ("عِلْم", "عَلَم"),
    ("กา", "กำ"),
    ("What is C?", "What is C++?"),
    ("What is C?", "What is C#?"),
    ("-5 degrees", "5 degrees"),
    ("1.5 litres", "15 litres"),
    ("US", "us"),
    ("🍕", "🍔"),
]


@pytest.mark.parametrize(("one", "other"), TOLD_APART)
def test_what_a_reader_tells_apart_has_two_ids(one, other):
    assert hash_text(one) != hash_text(other)


@pytest.mark.parametrize(("one", "other"), [pair for pair in TOLD_APART if pair not in {("US", "us"), ("🍕", "🍔")}])
def test_what_a_reader_tells_apart_has_other_words(one, other):
    assert words(one) != words(other)


@pytest.mark.parametrize("other", ["A  b\n", "A\u00a0b", " A\tb", "A\u3000b"])
def test_white_space_makes_no_other_text(other):
    assert hash_text("A b") == hash_text(other)
    assert hash_text("é") == hash_text("e\u0301")


def test_words_keep_marks_and_signs():
    assert words("बाल क्या है") == ["बाल", "क्या", "है"]
    assert words("C++ vs. C#, a+b and 5-3 is not −5") == [
        "c++",
        "vs",
        "c#",
        "a+",
        "b",
        "and",
        "5",
        "3",
        "is",
        "not",
        "-5",
    ]


def test_a_spelling_differs_by_no_case_width_or_end():
    assert spelling("How do I sort?") == spelling(" how do I ｓｏｒｔ") != spelling("how do I sort C++")
    assert spelling("???") == "???"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Lebens\u00adver\u00adsicherung", "Lebensversicherung"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\u202eabc\u202c \u2066d\u2069 \u200ee", "abc d e"),
        ("tag\U000e0041\U000e0042s", "tags"),
        ("a\ufe0fb\U000e0100", "ab"),
        ("x\u200dy\u200cz", "xyz"),
        ("don\x92t \x07 stop\x85now", "don t   stop\nnow"),
        ("half \ud800", "half ?"),
        ("line\u2028break", "line\nbreak"),
        ("e\u00ad\u0301", "é"),
    ],
)
def test_what_no_reader_sees_is_gone(text, clean):
    assert clean_text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "ภาษา\u200bไทย",
        "می\u200cروم",
        "क्\u200dष",
        "👨\u200d👩\u200d👧",
        "❤\ufe0f 1\ufe0f\u20e3",
        "葛\U000e0100",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "שָׁלוֹם",
    ],
)
def test_what_shapes_a_script_or_an_emoji_stays(text):
    assert clean_text(text) == unicodedata.normalize("NFC", text)


@given(st.text())
def test_cleaning_and_forms_are_done_once(text):
    clean = clean_text(text)
    assert clean_text(clean) == clean
    assert exact_form(exact_form(text)) == exact_form(text)
    assert normal_form(normal_form(text)) == normal_form(text)


@pytest.mark.parametrize("pair", ["\u0301\u0316", "\uff9e\u0316", "\u0344\u0316", "\U0001d165\u0316"])
def test_marks_without_end_take_no_time(pair):
    endless = "a" + pair * 60_000
    started = time.process_time()
    for work in (clean_text, words, exact_form, spelling):
        work(endless)
    assert time.process_time() - started < 1.0
    assert len(cut_marks(endless)) == 31


def test_marks_piled_on_one_letter_make_no_text_long():
    assert count_seen(clean_text("a" + "\u0300\u0315" * 100_000)) == 3
    assert count_seen("क्या है") == len("क्या है")
