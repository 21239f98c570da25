"""Pieces: every character in one of them, and the cuts where a reader would make them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sentences import (
    CHARACTER,
    HEADING,
    LINE,
    PARAGRAPH,
    SENTENCE,
    WORD,
    Piece,
    find_pieces,
    halve,
)

MARKED = """Intro one. Intro two, e.g. this.
a wrapped line! Next?

# Head A #

para
```
code

# no heading
```
after code.

Title
=====
中文句子。第二句！「好。」第三句
"""


def test_cuts_stand_before_headings_paragraphs_sentences_and_lines():
    pieces = [(piece.strength, MARKED[piece.start : piece.end]) for piece in find_pieces(MARKED)]
    assert pieces == [
        (PARAGRAPH, "Intro one. "),
        (SENTENCE, "Intro two, e.g. this.\n"),
        (LINE, "a wrapped line! "),
        (SENTENCE, "Next?\n\n"),
        (HEADING, "# Head A #\n\n"),
        (PARAGRAPH, "para\n"),
        (PARAGRAPH, "```\n"),
        (LINE, "code\n\n"),
        (LINE, "# no heading\n"),
        (LINE, "```\n"),
        (PARAGRAPH, "after code.\n\n"),
        (HEADING, "Title\n=====\n"),
        (PARAGRAPH, "中文句子。"),
        (SENTENCE, "第二句！"),
        (SENTENCE, "「好。」"),
        (SENTENCE, "第三句\n"),
    ]


def test_headings_have_their_title_and_level():
    pieces = find_pieces(MARKED + "\nSub\n---\n\n### Deep\n")
    found = [(piece.heading, piece.level) for piece in pieces if piece.heading]
    assert found == [("Head A", 1), ("Title", 1), ("Sub", 2), ("Deep", 3)]


ALPHABET = st.sampled_from(["a", "B", " ", "\n", "\n\n", ". ", "。", "# ", "```", "---", "==="]) | st.characters()
TEXTS = st.lists(ALPHABET, max_size=60).map("".join)


@given(TEXTS)
def test_pieces_cover_every_character_once(text):
    assert "".join(text[piece.start : piece.end] for piece in find_pieces(text)) == text
    assert all(piece.end > piece.start for piece in find_pieces(text))


@given(st.lists(ALPHABET, min_size=2, max_size=60).map("".join).filter(lambda text: len(text) > 1))
def test_halves_are_a_piece_in_two(text):
    left, right = halve(text, Piece(0, len(text), SENTENCE))
    assert (left.start, left.end, right.end, left.strength) == (0, right.start, len(text), SENTENCE)
    assert 0 < left.end < len(text)


def test_a_piece_is_halved_between_words_and_only_a_word_within():
    assert halve("aa bb cc dd", Piece(0, 11, SENTENCE))[1] == Piece(6, 11, WORD)
    assert halve("xxaaaaxx", Piece(2, 6, LINE)) == [Piece(2, 4, LINE), Piece(4, 6, CHARACTER)]
    assert halve("ae\u0301\u0301\u0301o", Piece(0, 6, LINE))[0].end == 5  # accents stay with their letter


@pytest.mark.parametrize(
    "text",
    [
        "# a" + " " * 60_000 + "b",
        "# a" + " #" * 30_000 + "x",
        "." * 60_000 + "x",
        "!" * 30_000 + "'" * 30_000 + "x",
        "a." + " " * 60_000 + "x",
        "?" + '"' * 60_000,
        "。" * 60_000,
        "=" * 60_000 + "x",
    ],
)
def test_the_time_grows_with_the_text_and_not_with_its_square(text):
    started = time.process_time()
    pieces = find_pieces(text)
    halve(text, pieces[0])
    assert time.process_time() - started < 0.5


def test_halving_a_long_line_of_words_takes_one_pass():
    text = "word " * 100_000
    started = time.process_time()
    left, right = halve(text, Piece(0, len(text), PARAGRAPH))
    assert (left.end, right.end) == (right.start, len(text))
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("line", "title"), [("# One ##", "One"), ("## C#", "C#"), ("#  a  b  ", "a  b"), ("# #", "#"), ("#x", None)]
)
def test_a_heading_is_its_words_without_the_signs_that_close_it(line, title):
    assert (find_pieces(line)[0].heading or None) == title
