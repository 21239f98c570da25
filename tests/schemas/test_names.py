"""What becomes a file or a folder is one, and lies where it is said to lie."""

import pytest

from schemas.names import NAME_BYTES, is_plain_name, is_plain_path

LONG_NAMES = ("x" * (NAME_BYTES + 1), "é" * NAME_BYTES)
LONG_PATHS = ("a/" + "x" * 256, "/".join(["abc"] * 300))


@pytest.mark.parametrize("name", ["heldout", "a.b-c_d", "größe", "中文", "two words", "x" * NAME_BYTES, "-dash"])
def test_a_name_that_any_file_system_takes_is_plain(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", " a", "a ", "a/b", "/a", "a\\b", "a:b", *LONG_NAMES])
def test_a_name_that_leads_elsewhere_or_is_too_long_is_not(name: str) -> None:
    assert not is_plain_name(name)


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "a\x1b[31m", "a\u202eb", "\ud800"])
def test_a_name_that_cannot_be_shown_as_it_is_is_not_plain(name: str) -> None:
    assert not is_plain_name(name)


@pytest.mark.parametrize("path", ["a", "a/b.parquet", "eval/größe/corpus.jsonl", "ab:c", "domain=a\u200cb/part-0"])
def test_a_path_below_its_folder_is_plain(path: str) -> None:
    assert is_plain_path(path)


@pytest.mark.parametrize("path", ["", ".", "..", "../a", "a/../../b", "a/..", "/etc/passwd", "a//b", "a/", "./a"])
def test_a_path_that_leads_up_or_out_is_not(path: str) -> None:
    assert not is_plain_path(path)


@pytest.mark.parametrize("path", ["C:/x", "C:x", "a\\..\\b", "s3://b/a", "a\0", "a\ud800", *LONG_PATHS])
def test_a_path_that_leads_out_on_some_file_system_or_is_too_long_is_not(path: str) -> None:
    assert not is_plain_path(path)


@pytest.mark.parametrize("value", [None, 3, ["a"], {"a": 1}, True])
def test_what_is_no_text_is_no_path(value: object) -> None:
    assert not is_plain_path(value)
