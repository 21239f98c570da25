"""The tables of one build, looked up by column values with pyarrow: no Spark, an answer in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from jobs.store.layout import list_builds
from jobs.store.manifest import read_names
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
        self.stages = read_names(found[-1])
        self.recipe = found[-1].parent.name

    def has(self, stage: str, table: Table) -> bool:
        """Return whether a stage was built and left rows of a table."""
        return self._open(stage, table) is not None

    def rows(self, stage: str, table: Table, **equal: str) -> list[Row]:
        """Return the rows of a stage's table in which every named column has the given value."""
        condition = None
        for name, value in equal.items():
            one = pc.field(name) == value
            condition = one if condition is None else condition & one
        return self.find(stage, table, condition)

    def find(self, stage: str, table: Table, condition: pc.Expression | None) -> list[Row]:
        """Return the rows of a stage's table of which a condition holds; none when there is no such table."""
        found = self._open(stage, table)
        return [] if found is None else list(found.to_table(filter=condition).to_pylist())

    def table(
        self, stage: str, table: Table, columns: Sequence[str], condition: pc.Expression | None = None
    ) -> pa.Table | None:
        """Return columns of the rows of which a condition holds; None when there is no such table."""
        found = self._open(stage, table)
        return None if found is None else found.to_table(columns=list(columns), filter=condition)

    def distinct(self, stage: str, table: Table, column: str) -> set[str]:
        """Return the values of a column."""
        found = self._open(stage, table)
        batches = () if found is None else found.to_batches(columns=[column])
        return {value for batch in batches for value in pc.unique(batch.column(0)).to_pylist()}

    def _open(self, stage: str, table: Table) -> Any:
        """Return a table as a pyarrow dataset, or None."""
        if stage not in self.stages:
            return None
        path = self.store.fetch(stage, self.stages[stage], table.name)
        return ds.dataset(path, format="parquet") if path.is_dir() and any(path.glob("*.parquet")) else None
