"""Losses that follow the teacher's scores.

Source: MarginMSE, Hofstaetter et al. 2020 (arXiv 2010.02666).
"""

from __future__ import annotations

from torch import Tensor

from schemas.training import StageConfig
from trainer.batches import Batch
from trainer.losses.masks import teacher_matrix

NEEDS_TEACHER = True  # no loss of this file can do without the teacher's scores


def margin_mse(scores: Tensor, negatives: Tensor, batch: Batch, stage: StageConfig) -> Tensor:
    """Mean squared gap between the model's margin and the teacher's, over the pairs that the teacher labelled."""
    del stage
    teacher = teacher_matrix(scores, batch)
    wanted = batch.positive_teacher[:, None] - teacher
    labelled = negatives & ~wanted.isnan()
    margins = scores.gather(1, batch.positive[:, None]) - scores
    gaps = (margins - wanted.nan_to_num(0.0))[labelled]
    return gaps.square().sum() / max(gaps.numel(), 1)
