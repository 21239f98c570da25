"""Gates over one text: what is parsed, and what is too short, too long, looping or copied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prompting import copied_share, parse_reply, repeated_share
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.gates import gate_text
from pipeline.text import shingles, words
from schemas.pairs import COPY, NEGATIVE, QUERY, REPETITION, TEXT_TOO_LONG, TEXT_TOO_SHORT, UNPARSABLE

CFG = SynthesiseConfig(min_query_words=3, max_query_words=8, min_negative_words=4, max_negative_words=20)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (" how to sort an array", "how to sort an array"),
        ("\n\nfirst line\nsecond line", "first line"),
        (' "in quotes" ', "in quotes"),
        ("「引用」", "引用"),
        ("- a bullet", "a bullet"),
        ("2. numbered", "numbered"),
        ("2.5 is kept", "2.5 is kept"),
        ("=> arrow", "arrow"),
        ('"one" and "two"', '"one" and "two"'),
        ("nul\x00 byte", "nul byte"),
        ("see https://example.org/x", ""),
        ("...", ""),
        ("", ""),
    ],
)
def test_a_query_is_the_first_line_without_marks(reply, text):
    assert parse_reply(reply, QUERY, "stop") == text


@pytest.mark.parametrize(
    ("reply", "finish", "text"),
    [
        (' "A whole text. It ends." more', "stop", "A whole text. It ends."),
        ('"One sentence. Another that was cut…"', "stop", "One sentence."),
        ('"One sentence. Another that met the lim', "length", "One sentence."),
        ('"Uses numpy.sort of 0.5 and was cut', "length", "Uses numpy.sort of 0.5 and was cut"),
        ('"第一句。第二句被', "length", "第一句。"),
        ('"Closed before the limit" => and', "length", "Closed before the limit"),
    ],
)
def test_a_negative_ends_with_its_quotes_or_its_last_whole_sentence(reply, finish, text):
    assert parse_reply(reply, NEGATIVE, finish) == text


def test_a_refused_request_has_no_text():
    assert parse_reply("left over", QUERY, "error") == ""


@given(st.text(), st.sampled_from([QUERY, NEGATIVE]), st.sampled_from(["stop", "length", "error", ""]))
def test_whatever_comes_back_is_one_line_with_a_word_or_nothing(reply, kind, finish):
    text = parse_reply(reply, kind, finish)
    assert text == "" or words(text)
    assert "\n" not in text
    assert "\x00" not in text


@pytest.mark.parametrize(
    ("text", "kind", "finish", "reason"),
    [
        ("", QUERY, "stop", UNPARSABLE),
        ("two words", QUERY, "stop", TEXT_TOO_SHORT),
        ("one two three four five six seven eight nine", QUERY, "stop", TEXT_TOO_LONG),
        ("one two three four", QUERY, "length", TEXT_TOO_LONG),
        ("one two three four", NEGATIVE, "length", None),
        ("so so so on", QUERY, "stop", REPETITION),
        ("as it was as it was as it was", NEGATIVE, "stop", REPETITION),
        ("quick brown fox jumps", QUERY, "stop", COPY),
        ("Quick, BROWN fox -- jumps!", QUERY, "stop", COPY),
        ("brown fox jumps", QUERY, "stop", COPY),
        ("which fox jumps over dogs", QUERY, "stop", None),
    ],
)
def test_each_gate_gives_its_reason(text, kind, finish, reason):
    assert gate_text(text, kind, finish, ("The quick brown fox jumps over the lazy dog.",), CFG) == reason


def test_a_copy_of_any_source_is_a_copy():
    assert gate_text("quick brown fox jumps", QUERY, "stop", ("elsewhere", "a quick brown fox jumps"), CFG) == COPY


def test_the_share_that_may_be_copied_is_a_setting():
    source, half = "a b c d e f", "a b c d x"  # two n-grams of four words, one of them copied
    assert copied_share(half, (source,), 4) == 0.5
    strict = SynthesiseConfig(min_query_words=1, max_copy=0.4)
    assert gate_text(half, QUERY, "stop", (source,), strict) == COPY
    assert gate_text(half, QUERY, "stop", (source,), SynthesiseConfig(min_query_words=1, max_copy=0.5)) is None


@given(st.text(alphabet="ab 文", max_size=30), st.text(alphabet="ab 文", max_size=30), st.integers(1, 4))
def test_the_copied_share_is_that_of_the_n_grams_found_in_the_source(text, source, size):
    mine = words(text)
    size = min(size, len(mine))
    grams = [" ".join(mine[i : i + size]) for i in range(len(mine) - size + 1)] if mine else []
    held = f" {' '.join(words(source))} "
    want = sum(f" {gram} " in held for gram in grams) / len(grams) if grams else 0.0
    assert copied_share(text, (source,), size or 1) == want


@given(st.text(alphabet="abc ", max_size=40))
def test_a_text_without_runs_repeats_as_often_as_its_trigrams_do(text):
    mine = words(text)
    grams = len(mine) - 2
    is_run = any(mine[i] == mine[i + 1] == mine[i + 2] for i in range(max(grams, 0)))
    want = 1.0 if is_run else 1 - len(shingles(text, 3)) / grams if grams > 0 else 0.0
    assert repeated_share(text) == pytest.approx(want)


def test_a_loop_is_caught_in_scripts_without_spaces():
    assert repeated_share("感冒多久会好感冒多久会好感冒多久会好") > 0.5
    assert repeated_share("感冒是由病毒引起的疾病") == 0.0
