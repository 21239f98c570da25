"""The tables of one build, looked up by column values with pyarrow: no Spark, an answer in a moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from jobs.store.layout import list_builds
from jobs.store.open import open_store
from schemas.errors import RecipeError
from schemas.table import Table

Row = dict[str, Any]


class Ledger:
    """The tables of one build, looked up by column values."""

    def __init__(self, workspace: Path | str, recipe_name: str | None = None) -> None:
        """Take the named recipe's latest build, or the latest of all. Raises: RecipeError when there is none."""
        self.store = open_store(workspace)
        if self.store.mirror:
            self.store.mirror.look()
        found = sorted(list_builds(self.store.workspace, recipe_name or "*"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise RecipeError(f"{workspace} must hold a build, got none; try: pairwright build RECIPE, or --workspace")
        self.stages: dict[str, str] = json.loads(found[-1].read_text(encoding="utf-8"))
        self.recipe = found[-1].parent.name

    def rows(self, stage: str, table: Table, **equal: str) -> list[Row]:
        """Return the rows of a stage's table in which every named column has the given value."""
        if stage not in self.stages:
            return []
        path = self.store.fetch(stage, self.stages[stage], table.name)
        if not path.is_dir() or not any(path.glob("*.parquet")):
            return []
        condition = None
        for name, value in equal.items():
            one = pc.field(name) == value
            condition = one if condition is None else condition & one
        return list(ds.dataset(path, format="parquet").to_table(filter=condition).to_pylist())
