"""Losses on order: CoSENT over all pairs of a batch, triplet over a row's own negatives.

Sources: CoSENT, Su 2022 (kexue.fm/archives/8847); triplet, Schroff et al. 2015 (arXiv 1503.03832).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from schemas.training import StageConfig
from trainer.batches import Batch
from trainer.losses.masks import counted_negatives, teacher_matrix


def cosent(scores: Tensor, negatives: Tensor, batch: Batch, stage: StageConfig) -> Tensor:
    """log(1 + sum exp((s_low - s_high) / t)) over all pairs of the batch whose labels say low < high.

    Labels: the teacher's scores where a pair has one, else 1 for a positive and 0 for a negative.
    """
    against = counted_negatives(negatives, batch)
    rows, columns = against.nonzero(as_tuple=True)
    high = scores.gather(1, batch.positive[:, None]).squeeze(1)
    values = torch.cat([high, scores[rows, columns]])
    teacher = teacher_matrix(scores, batch)[rows, columns]
    labels = torch.cat([batch.positive_teacher.nan_to_num(1.0), teacher.nan_to_num(0.0)])
    gaps = (values[:, None] - values[None, :]) / stage.temperature  # (P, P): s_row - s_column
    wrong = gaps.masked_fill(~(labels[:, None] < labels[None, :]), -torch.inf).flatten()
    return torch.logsumexp(torch.cat([wrong.new_zeros(1), wrong]), dim=0)


def triplet(scores: Tensor, negatives: Tensor, batch: Batch, stage: StageConfig) -> Tensor:
    """Mean of max(0, margin - (s_positive - s_negative)) over the rows' negatives."""
    against = counted_negatives(negatives, batch)
    high = scores.gather(1, batch.positive[:, None])
    hinge = F.relu(stage.margin - high + scores)[against]
    return hinge.sum() / max(hinge.numel(), 1)
