"""Which stages there are, and what one is: what it reads, what it makes, and what decides its result."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.recipe import Recipe
from schemas.errors import RecipeError
from schemas.table import Table

if TYPE_CHECKING:
    from jobs.runtime.stage_run import StageRun

# Where each stage is defined, in the order of the build.
STAGES: dict[str, str] = {
    "ingest": "jobs.ingest:STAGE",
    "dedupe": "jobs.dedupe:STAGE",
    "holdout": "jobs.holdout:STAGE",
    "guard": "jobs.guard:STAGE",
    "bucket": "jobs.bucket:STAGE",
    "pair": "jobs.pair:STAGE",
    "index": "jobs.index:STAGE",
    "synthesise": "jobs.synthesise:STAGE",
    "mine": "jobs.mine:STAGE",
    "label": "jobs.label:STAGE",
    "judge": "jobs.judge:STAGE",
    "assemble": "jobs.assemble:STAGE",
    "publish": "jobs.publish:STAGE",
    "train1": "jobs.train:STAGE_1",
    "train2": "jobs.train:STAGE_2",
    "evaluate": "jobs.evaluate:STAGE",
}


def stages_until(name: str) -> list[str]:
    """Return the stages up to and including one, in the order of the build; all of them for any other name."""
    return list(STAGES)[: list(STAGES).index(name) + 1 if name in STAGES else None]


def name_of(what: Table | str) -> str:
    """Return the name of a table or artefact."""
    return what if isinstance(what, str) else what.name


@dataclass(frozen=True)
class Stage:
    """One stage: what it reads, what it makes, and what decides its result.

    ``settings`` are recipe sections; ``inputs`` map tables or artefact names to the stage that made them; ``external``
    returns digests of what is read from outside the workspace; ``leaves`` says that others than later stages read the
    outputs, which therefore pass the suites of their contracts (``jobs/contracts/expectations.py``) before they exist.
    """

    name: str
    version: int
    settings: tuple[str, ...]
    inputs: Mapping[Table | str, str]
    run: Callable[[StageRun], None]
    outputs: tuple[Table, ...] = ()
    artefacts: tuple[str, ...] = ()
    external: Callable[[Recipe], Mapping[str, str]] | None = None
    needs_spark: bool = True
    leaves: bool = False

    def digests(self, recipe: Recipe) -> dict[str, str]:
        """Return the digests, as they are now, of what the stage reads from outside the workspace."""
        return dict(self.external(recipe)) if self.external else {}


def load_stage(name: str) -> Stage:
    """Return the stage of that name.

    Raises: RecipeError when there is none.
    """
    if name not in STAGES:
        raise RecipeError(f"stage must be one of {', '.join(STAGES)}, got {name!r}")
    module, _, attribute = STAGES[name].partition(":")
    stage: Stage = getattr(importlib.import_module(module), attribute)
    return stage
