"""Spans of large files of lines: every line once, under its number."""

import pytest

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.formats.jsonl import read_jsonl
from pipeline.readers.lines import line_spans


@pytest.mark.parametrize("span", [1, 5, 7, 64, 1 << 20])
@pytest.mark.parametrize("text", ["a\nbb\nccc\n\ndddd", "\n\n\n", "x" * 50 + "\n" + "y\n" * 20, "one line"])
def test_spans_hold_every_line_once_and_know_their_line_numbers(tmp_path, text, span):
    path = tmp_path / "f"
    path.write_text(text)

    spans = list(line_spans(str(path), len(text), span))

    assert "".join(text[start:end] for start, end, *_ in spans) == text
    for start, end, line, size in spans:
        assert text[:start].count("\n") + 1 == line
        assert end == len(text) or text[end - 1] == "\n"
        assert size == end - start >= min(span, len(text) - start)


def test_spans_of_a_file_read_as_the_whole_does(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"text": "number {n}"}}\n' for n in range(100)))
    source = make_source(name="s", format="jsonl", path=str(path))
    [whole] = plan_units([source])
    monkeypatch.setattr("pipeline.readers.lines.SPAN", 200)

    parts = plan_units([source])

    assert len(parts) > 5
    assert [r for part in parts for r in read_jsonl(part, source)] == list(read_jsonl(whole, source))
