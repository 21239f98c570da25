"""What a stranger's files look like: encodings, delimiters, headers and columns."""

import pytest

from jobs.cli.guess import field_of, guess_delimiter, guess_encoding, guess_fields, has_header, read_cells
from schemas.errors import RecipeError

GERMAN = "Grüße aus Köln; die Tür geht nicht auf, weil der Schlüssel fehlt.\n" * 5
LONG = "a text that goes on for quite some words, as texts do, number "


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain ASCII\n", "utf-8"),
        (GERMAN, "utf-8"),
        (GERMAN, "cp1252"),
        ("Привет, как дела? Насос не работает.\n" * 5, "cp1251"),
        ("水泵不工作，请检查阀门和过滤器。\n" * 5, "gb18030"),
        ("펌프가 작동하지 않습니다. 필터를 확인하십시오.\n" * 5, "euc_kr"),
        ("幫浦不動，請檢查閥門。\n" * 5, "big5"),
        ("ポンプが動かないのでフィルターを確認する。\n" * 5, "shift_jis"),
    ],
)
def test_an_encoding_is_told_by_its_bytes(text, encoding):
    expected = "utf-8" if text.isascii() else encoding
    assert guess_encoding(text.encode(encoding), "a.csv") == expected


def test_a_character_cut_at_the_end_of_the_look_is_no_other_encoding():
    assert guess_encoding("ein Satz\nmit Köln".encode()[:-2], "a.csv") == "utf-8"


def test_utf_16_is_refused_with_a_way_out():
    with pytest.raises(RecipeError, match="try saving it as UTF-8"):
        guess_encoding("a text\n".encode("utf-16"), "a.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimiter_is_what_gives_the_same_columns_in_every_row(delimiter):
    rows = [["id", "title", "text"], *([str(n), "one; or, two", f'"A, b; c\n| d {n}"'] for n in range(9))]
    text = "\n".join(delimiter.join(f'"{cell}"' if n == 1 else cell for n, cell in enumerate(row)) for row in rows)
    assert guess_delimiter(text) == delimiter


def test_a_file_of_one_column_has_the_default_delimiter():
    assert guess_delimiter("text\nno delimiter here\nnor here\n") == ","


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,title,text\n1,a,b\n", True),
        ("1,Pump,The pump is out of order and stays so\n2,Valve,The valve\n", False),
        ("Nr,Frage\n1,Was ist das?\n", True),
        ("Pump,Pump\nValve,Lamp\n", False),
    ],
)
def test_a_header_names_columns(text, expected):
    assert has_header(read_cells(text, ",")) is expected


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Body_Text", "text"),
        ("Antwort", "text"),
        ("question", "title"),
        ("question_id", "id"),
        ("Article No.", "id"),
        ("Kategorie", "domain"),
        ("title_de", "title"),
        ("_id", "id"),
        ("test", None),
        ("price", None),
        ("", None),
    ],
)
def test_a_column_is_told_by_what_it_is_usually_called(name, field):
    assert field_of(name) == field


def test_columns_without_usual_names_are_told_by_what_they_hold():
    rows = [{"a": n, "b": "red" if n % 2 else "blue", "c": f"how to turn it {n}", "d": LONG + str(n)} for n in range(9)]
    assert guess_fields(rows) == {"id": "a", "title": "c", "text": "d"}


def test_the_longest_column_is_the_text_whatever_a_short_one_is_called():
    rows = [{"body": "red car here", "notes": LONG * 3 + str(n), "key": f"k{n}"} for n in range(5)]
    assert guess_fields(rows)["text"] == "notes"


@pytest.mark.parametrize("rows", [[], [{"a": 1}], [{"a": "short"}], [{"a": None}]])
def test_rows_without_texts_have_no_fields(rows):
    assert guess_fields(rows) == {}
