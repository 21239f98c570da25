"""How files become the parts that one task reads."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units


def test_parquet_is_cut_by_row_group_and_gzip_is_not_cut(tmp_path):
    pq.write_table(pa.table({"text": [str(n) for n in range(10)]}), tmp_path / "a.parquet", row_group_size=4)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 10))

    units = plan_units(
        [
            make_source(name="p", format="parquet", path=str(tmp_path)),
            make_source(name="j", format="jsonl", path=str(tmp_path)),
        ]
    )

    assert [(unit.start, unit.end, unit.line) for unit in units[:3]] == [(0, 1, 1), (1, 2, 5), (2, 3, 9)]
    assert len(units) == 4
