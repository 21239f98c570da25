"""Which columns of the score matrix a row is compared with, and what the teacher said of them.

Source: the mask by score is that of Qwen3-Embedding 2025 (arXiv 2506.05176).
Known weakness: a mask by score can only hide false negatives that the model already ranks above the positive.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.batches import Batch


def mask_negatives(scores: Tensor, batch: Batch, margin: float | None) -> Tensor:
    """Return (B, D) bool: the columns that count as negatives of each row.

    Left out: documents known to answer the row's query, and those in-batch documents (not the row's own negatives,
    which were judged one by one) that score more than ``margin`` above the positive.
    """
    allowed = batch.allowed
    if margin is None:
        return allowed
    ceiling = scores.gather(1, batch.positive[:, None]) + margin
    return allowed & ((scores <= ceiling) | own_negatives(batch))


def counted_negatives(negatives: Tensor, batch: Batch) -> Tensor:
    """Return (B, D) bool: each row's own negatives, or all in-batch negatives for a row that lists none."""
    own = own_negatives(batch) & negatives
    return torch.where(own.any(dim=1, keepdim=True), own, negatives)


def own_negatives(batch: Batch) -> Tensor:
    """Return (B, D) bool: the columns listed as negatives of each row."""
    own = torch.zeros_like(batch.allowed)
    if batch.negatives.numel():
        rows, places = (batch.negatives >= 0).nonzero(as_tuple=True)
        own[rows, batch.negatives[rows, places]] = True
    return own


def teacher_matrix(scores: Tensor, batch: Batch) -> Tensor:
    """Return (B, D) teacher scores of the rows' own negatives, NaN elsewhere."""
    teacher = torch.full_like(scores, torch.nan)
    if batch.negatives.numel():
        rows, places = (batch.negatives >= 0).nonzero(as_tuple=True)
        teacher[rows, batch.negatives[rows, places]] = batch.negative_teacher[rows, places].to(scores.dtype)
    return teacher
