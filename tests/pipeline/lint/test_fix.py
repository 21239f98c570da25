"""A cleaned copy loses nothing in silence: what is not in it is in removed.jsonl, with its reason."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lint.fix import plan_removal, write_fixed
from tests.pipeline.lint.sets import look_at, make_rows, write_jsonl


def fix(path, folder, also=()):
    rows, found = look_at(path, folder / "scratch")
    out = folder / "out"
    out.mkdir()
    counts = write_fixed(rows, plan_removal(rows, found.values(), also), out)
    return counts, [json.loads(line) for line in (out / "removed.jsonl").read_text().splitlines()], out


def test_untouched_rows_are_copied_byte_for_byte_and_the_others_are_told(tmp_path):
    rows = make_rows(6)
    rows[1]["neg"][2] = rows[1]["pos"][0]
    rows[3]["query"] = " "
    path = write_jsonl(tmp_path / "train.jsonl", rows)
    lines = path.read_bytes().replace(b'{"query"', b'{  "query"').splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, b"no json\n"]))

    counts, removed, out = fix(path, tmp_path)

    assert counts == {"rows": 5, "rows_removed": 2, "texts_removed": 1, "files": 1}
    kept = (out / "train.jsonl").read_bytes().splitlines(keepends=True)
    assert [kept[0], *kept[2:]] == [lines[0], lines[2], lines[4], lines[5]]
    assert json.loads(kept[1])["neg"] == [text for at, text in enumerate(rows[1]["neg"]) if at != 2]
    assert [(each["line"], each["reasons"]) for each in removed] == [
        (2, ["positive_as_negative"]),
        (4, ["empty_text"]),
        (7, ["unreadable"]),
    ]
    assert removed[0]["text"] == rows[1]["pos"][0]
    assert removed[1]["row"] == rows[3]
    assert removed[2]["raw"] == "no json"


def test_a_row_that_loses_its_last_negative_goes_as_a_whole(tmp_path):
    rows = [{"anchor": r["query"], "positive": r["pos"][0], "negative": r["neg"][0]} for r in make_rows(4)]
    rows[2]["negative"] = rows[2]["positive"]

    counts, removed, _ = fix(write_jsonl(tmp_path / "t.jsonl", rows), tmp_path)

    assert (counts["rows"], removed[0]["reasons"]) == (3, ["no_negative_left"])
    assert removed[0]["details"] == ["positive_as_negative"]
    assert removed[0]["row"] == rows[2]


def test_rows_short_of_a_column_go_to_a_file_of_their_own(tmp_path):
    rows = [
        {"anchor": r["query"], "positive": r["pos"][0], "negative_1": r["neg"][0], "negative_2": r["neg"][1], "id": i}
        for i, r in enumerate(make_rows(4))
    ]
    rows[1]["negative_1"] = rows[1]["positive"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

    for name in ("t.parquet", "t.csv"):
        (tmp_path / name[2:]).mkdir()
        counts, _, out = fix(tmp_path / name, tmp_path / name[2:])
        short = out / f"t-short-1{name[1:]}"
        got = pq.read_table(short).to_pylist() if name == "t.parquet" else list(csv.DictReader(short.open()))
        whole = (
            pq.read_table(out / name).num_rows
            if name == "t.parquet"
            else len((out / name).read_text().splitlines()) - 1
        )

        assert (counts["rows"], counts["files"], whole) == (4, 2, 3)
        assert [(row["negative_1"], str(row["id"])) for row in got] == [(rows[1]["negative_2"], "1")]
        assert "negative_2" not in got[0]


def test_warnings_stay_unless_they_are_named(tmp_path):
    rows = make_rows(4)
    rows[0]["pos"] = [f"{rows[0]['pos'][0]} {rows[0]['query']}"]
    path = write_jsonl(tmp_path / "t.jsonl", rows)

    assert fix(path, tmp_path)[0] == {"rows": 4, "files": 1}
    (tmp_path / "b").mkdir()
    assert fix(path, tmp_path / "b", ["query_in_positive"])[0] == {"rows": 3, "rows_removed": 1, "files": 1}
