"""The losses by name.

A new loss is one file and one line:

1. ``trainer/losses/FILE.py`` with a function named as the loss is in the recipe, ``NAME(scores, negatives, batch,
   stage) -> scalar``: cosines (B, D), which columns count as negatives of a row (B, D) bool, the batch, the stage's
   settings. Set ``NEEDS_TEACHER = True`` in the file when its losses cannot do without the teacher's scores.
2. ``"NAME": "FILE"`` in ``LOSSES`` of ``schemas/training.py``, where the recipe is checked without loading torch.

Masks of false negatives and Matryoshka dimensions are put around every loss (``matryoshka.build_loss``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import cast

from torch import Tensor

from schemas.training import LOSSES, StageConfig
from trainer.batches import Batch

LossOfScores = Callable[[Tensor, Tensor, Batch, StageConfig], Tensor]


def find_loss(name: str) -> LossOfScores:
    """Return the loss of a name."""
    return cast("LossOfScores", getattr(_file_of(name), name))


def needs_teacher(name: str) -> bool:
    """Say whether a loss is undefined without the teacher's scores."""
    return bool(getattr(_file_of(name), "NEEDS_TEACHER", False))


def _file_of(name: str) -> ModuleType:
    return importlib.import_module(f"trainer.losses.{LOSSES[name]}")
