"""Parquet files, good and not quite; tests/behaviour/test_bad_input.py has the broken ones."""

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ingest.config import SourceConfig
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS


def records(form, path, **settings):
    source = SourceConfig(name="s", format=form, path=str(path), **settings)
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
