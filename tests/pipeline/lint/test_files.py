"""Files of a training set: every row comes with its line, those that cannot be read with the reason."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.lint.files import find_files, read_rows
from schemas.errors import RecipeError

ROW = {"anchor": "a question", "positive": "an answer", "negative": "no answer"}


def read(path):
    (file,) = find_files([str(path)])
    return list(read_rows(file))


def test_a_row_comes_with_its_line_from_every_kind_of_file(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n" + json.dumps(ROW) + "\n")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(json.dumps(ROW).encode() + b"\n"))
    (tmp_path / "c.csv").write_text('anchor,positive,negative\na question,"an answer",no answer\n')
    (tmp_path / "d.tsv").write_text("anchor\tpositive\tnegative\na question\tan answer\tno answer\n")
    pq.write_table(pa.Table.from_pylist([ROW]), tmp_path / "e.parquet")

    got = {file.path.name: list(read_rows(file)) for file in find_files([str(tmp_path)])}

    assert [(row.line, row.values) for name in "abcde" for row in got[next(n for n in got if n[0] == name)]] == [
        (2, ROW), (1, ROW), (2, ROW), (2, ROW), (1, ROW)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "line", "why"),
    [
        ("a.jsonl", json.dumps(ROW).encode() + b'\n{"anchor": \n', 2, "no JSON object"),
        ("b.jsonl", b"[1]".join([b"{}\n", b"\n"]), 2, "must be a JSON object, got list"),
        ("c.jsonl", json.dumps(ROW).encode() + b'\n{"anchor": "\xff"}\n', 2, "not UTF-8"),
        ("d.csv", b"anchor,positive\na,b\na,b,c\n", 3, "must have 2 columns, got 3"),
        ("e.jsonl.gz", gzip.compress(json.dumps(ROW).encode() * 100)[:-20], 1, "what follows cannot be read"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(tmp_path, name, data, line, why):
    (tmp_path / name).write_bytes(data)

    bad = [row for row in read(tmp_path / name) if row.fault]

    assert [(row.line, why in row.fault) for row in bad] == [(line, True)]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.json", b'[{"anchor": "a"}]', "jq -c"),
        ("b.txt", b"text", "one of .jsonl"),
        ("c.jsonl", b"", "this one is empty"),
        ("d.parquet", b"PAR1", "a file that can be read"),
        ("e.csv", b"a,a\n1,2\n", "names every column once"),
    ],
)
def test_files_of_another_kind_are_refused_with_a_way_out(tmp_path, name, data, why):
    (tmp_path / name).write_bytes(data)

    with pytest.raises(RecipeError, match=why):
        find_files([str(tmp_path / name)])


def test_every_place_without_files_is_told_at_once(tmp_path):
    with pytest.raises(RecipeError) as error:
        find_files([str(tmp_path / "no.jsonl"), str(tmp_path / "*.csv")])

    assert len(error.value.faults) == 2
