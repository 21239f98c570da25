"""One step alone: what a command such as ``pairwright dedupe PATH --out DIR`` is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.recipe import Recipe
from schemas.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Step:
    """One command: what it says of itself, the stages that it runs, the sections of a recipe that it takes.

    ``tables`` are what it writes besides documents and rejects; ``preset`` are settings other than the defaults;
    ``cut`` cuts documents that an earlier step has read; ``protects``: it takes evaluation sets.
    """

    text: str
    example: str
    stages: tuple[str, ...]
    sections: tuple[str, ...]
    tables: tuple[Table, ...]
    preset: Mapping[str, Any]
    cut: Callable[[DataFrame, Recipe], DataFrame] | None = None
    protects: bool = False


@dataclass(frozen=True)
class Job:
    """A step that was asked for; ``table`` is the folder of DOCUMENTS where an earlier step wrote what it reads."""

    name: str
    step: Step
    recipe: Recipe
    table: Path | None
    out: Path
    force: bool
