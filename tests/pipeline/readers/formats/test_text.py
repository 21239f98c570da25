"""Text files: which line is the title."""

import time

import pytest

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.formats.markdown import split_markdown
from pipeline.readers.formats.text import split_title
from pipeline.readers.registry import FORMATS


def records(form, path, **settings):
    source = make_source(name="s", format=form, path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("# Brewing tea #\n\nBoil water.", ("Brewing tea", "\nBoil water.")),
        ("Brewing tea\n===========\nBoil water.", ("Brewing tea", "Boil water.")),
        ("Brewing tea\nBoil water.", ("Brewing tea", "Boil water.")),
        ("Brewing" + " " * 300 + "tea\nBoil water.", ("Brewing tea", "Boil water.")),
        ("Only one line", ("", "Only one line")),
        ("x" * 300 + "\nmore", ("", "x" * 300 + "\nmore")),
    ],
)
def test_a_text_file_begins_with_its_title(text, parts):
    assert split_title(text) == parts


def test_a_text_file_is_one_document_named_by_its_path(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.md").write_text("# Title\nText.")

    [found] = records("text", tmp_path)

    assert (found.native_id, found.title, found.text) == ("sub/a.md", "Title", "Text.")


@pytest.mark.parametrize(
    "text",
    ["a{}b\nmore", "# a{}b #{}\nmore", "a\n{}===x\nmore", "# {}\nmore", "---\ntitle: a{}b\n---\nmore"],
)
def test_a_run_of_spaces_costs_its_length_not_its_square(text):
    long = text.replace("{}", " " * 2_000_000)
    started = time.monotonic()

    split_title(long)
    split_markdown(long)

    assert time.monotonic() - started < 3
