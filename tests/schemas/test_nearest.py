"""The word that was meant: another spelling, another tool's word; none where nothing is near."""

import pytest

from schemas.nearest import find_nearest

FORMATS = ("jsonl", "csv", "tsv", "markdown", "text", "parquet", "html")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("md", "markdown"),
        ("MD", "markdown"),
        ("cvs", "csv"),
        ("JSONL", "jsonl"),
        ("jsonl.", "jsonl"),
        ("htm", "html"),
        ("txt", "text"),
        ("parq", "parquet"),
        ("docx", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_a_format_is_told_by_another_spelling_or_another_tools_word(word: object, meant: str | None) -> None:
    assert find_nearest(word, FORMATS) == meant


@pytest.mark.parametrize(
    ("word", "meant"),
    [("delimeter", "delimiter"), ("sep", "delimiter"), ("min-chars", "min_chars"), ("lenght", None)],
)
def test_a_setting_is_told_by_its_slips(word: str, meant: str | None) -> None:
    assert find_nearest(word, ("delimiter", "min_chars", "path")) == meant
