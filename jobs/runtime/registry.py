"""Which stages there are, in the order of the build."""

from __future__ import annotations

import importlib

from jobs.runtime.stage import Stage
from schemas.errors import RecipeError

# Where each stage is defined: a new stage is one file and one line here.
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


def load_stage(name: str) -> Stage:
    """Return the stage of that name.

    Raises: RecipeError when there is none.
    """
    if name not in STAGES:
        raise RecipeError(f"stage must be one of {', '.join(STAGES)}, got {name!r}")
    module, _, attribute = STAGES[name].partition(":")
    stage: Stage = getattr(importlib.import_module(module), attribute)
    return stage


def stages_until(name: str) -> list[str]:
    """Return the stages up to and including one, in the order of the build; all of them for any other name."""
    return list(STAGES)[: list(STAGES).index(name) + 1 if name in STAGES else None]
