"""A workspace without Spark: the parts of one that the views read, over a real store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.release.shards import arrow_schema
from jobs.store.files import count_rows
from jobs.store.tables import Store


@dataclass
class FakeWorkspace:
    """One build of the recipe ``tiny``, stage by stage."""

    path: Path

    def __post_init__(self):
        self.store = Store(self.path)
        self.recipe = SimpleNamespace(name="tiny", seed=13)
        self.logs = self.path
        self.stages = {}

    def fingerprint(self, stage):
        return "f0"

    def manifest(self, stage):
        return self.store.manifest(stage, "f0")

    def build(self, stage, tables=(), files=(), **notes):
        home = self.store.begin(stage, "f0")
        outputs = {}
        for contract, rows in tables:
            (home / contract.name).mkdir()
            records = [dict(zip(contract.names, row, strict=True)) for row in rows]
            schema = arrow_schema(contract)
            pq.write_table(pa.Table.from_pylist(records, schema=schema), home / contract.name / "part-0.parquet")
            outputs[contract.name] = count_rows(home / contract.name, "drop_reason" in contract.names)
        for name, content in files:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(content)
            outputs[Path(name).parts[0]] = {}
        self.store.commit(stage, "f0", outputs, {"inputs": {}, "notes": notes, "seconds": 61.5, "peak_mb": 2048})
        self.stages[stage] = "f0"
        latest = self.path / "runs" / self.recipe.name / "stages.json"
        latest.parent.mkdir(parents=True, exist_ok=True)
        latest.write_text(json.dumps(self.stages))
