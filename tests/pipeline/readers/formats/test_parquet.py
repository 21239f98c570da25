"""Parquet files, good and not quite; tests/behaviour/test_bad_input.py has the broken ones."""

import datetime as dt
import decimal
import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS


def records(form, path, **settings):
    source = make_source(name="s", format=form, path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]


def test_a_parquet_row_that_is_no_utf8_is_a_reject_and_the_others_are_read(tmp_path):
    texts = pa.array([b"one", b"tw\xfd", b"three"]).view(pa.string())
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")

    found = records("parquet", tmp_path)

    assert [(record.line, record.text, record.reason) for record in found] == [
        (1, "one", None),
        (2, "", "wrong_encoding"),
        (3, "three", None),
    ]
    assert found[1].raw == b"tw\xfd"


def test_parquet_rows_are_numbered_through_the_file(tmp_path):
    pq.write_table(
        pa.table({"id": [1, 2, 3], "text": ["a", "b", "c"], "other": [[1]] * 3}),
        tmp_path / "a.parquet",
        row_group_size=2,
    )

    found = records("parquet", tmp_path)

    assert [(record.line, record.native_id, record.text) for record in found] == [
        (1, "1", "a"),
        (2, "2", "b"),
        (3, "3", "c"),
    ]


def write(path, columns, **settings):
    pq.write_table(pa.table(columns), path, **settings)
    return path


TEXT = "A good text of some words."


@pytest.mark.parametrize(
    ("texts", "settings"),
    [
        (
            pa.DictionaryArray.from_arrays(pa.array([0] * 256, pa.int32()), pa.array(["x" * 20_000_000])),
            {},
        ),
        (
            ["x" * 9_000_000] * 20,
            {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
        ),
    ],
    ids=["dictionary", "repeated"],
)
def test_a_large_value_that_many_rows_name_is_never_made(tmp_path, texts, settings):
    path = write(tmp_path / "a.parquet", {"text": texts}, compression="zstd", **settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    found = records("parquet", path)

    assert path.stat().st_size < 1 << 16
    assert {record.reason for record in found} == {"too_large"}
    assert len(found) == len(texts)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB


@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        ({"text": ["x" * 7_000_000] * 40}, {"use_dictionary": False, "compression": "zstd"}),
        ({"text": pa.DictionaryArray.from_arrays(pa.array([0] * 256, pa.int32()), pa.array(["x" * 5_000_000]))}, {}),
        ({"text": pa.nulls(6_000_000, pa.string())}, {"row_group_size": 6_000_000}),
    ],
    ids=["pages", "rows", "nulls"],
)
def test_kilobytes_that_unpack_to_more_than_the_source_allows_are_a_bomb(tmp_path, columns, settings):
    write(tmp_path / "b.parquet", columns, **settings)

    assert [record.reason for record in records("parquet", tmp_path)] == ["bomb"]


def test_a_list_of_millions_is_too_large_and_the_next_row_is_read(tmp_path):
    write(tmp_path / "a.parquet", {"text": [TEXT] * 2, "links": pa.array([["a"] * 3_000_000, ["b"]])})

    assert [(r.reason, r.links) for r in records("parquet", tmp_path)] == [("too_large", []), (None, ["b"])]


def test_missing_values_and_whole_numbers_have_many_faces(tmp_path):
    ids = {
        "float": pa.array([3.0, float("nan"), None]),
        "decimal": pa.array([decimal.Decimal("3.00"), None, None]),
        "dictionary": pa.array(["3", None, "NaN"]).dictionary_encode(),
    }
    for name, column in ids.items():
        write(tmp_path / f"{name}.parquet", {"text": [TEXT] * 3, "id": column})

        found = records("parquet", tmp_path / f"{name}.parquet")

        assert [(record.kind, record.native_id) for record in found] == [
            ("document", "3"),
            ("document", None),
            ("document", None),
        ], name


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**62, None], pa.timestamp("us")),
        pa.array([10**18, None], pa.timestamp("ns", tz="No/Where")),
        pa.array([2**31 - 1, None], pa.date32()),
        pa.array([2**62, None], pa.duration("s")),
        pa.array([1, None], pa.time64("ns")),
        pa.array([dt.date(2020, 1, 1), None]),
        pa.array([float("inf"), None]),
        pa.array([{"a": 1}, None]),
        pa.array([b"\xff" * 16, None], pa.uuid()),
    ],
    ids=lambda column: str(column.type),
)
def test_a_cell_that_python_or_a_document_cannot_have_costs_its_row_alone(tmp_path, column):
    write(tmp_path / "a.parquet", {"text": [TEXT] * 2, "id": column})

    found = records("parquet", tmp_path)

    assert [(record.line, record.reason) for record in found] == [(1, "wrong_type"), (2, None)]
    assert "'id'" in found[0].detail
