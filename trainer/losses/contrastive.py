"""InfoNCE: the positive against every negative of the batch at once.

Source: van den Oord et al. 2018 (arXiv 1807.03748).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from schemas.training import StageConfig
from trainer.batches import Batch


def infonce(scores: Tensor, negatives: Tensor, batch: Batch, stage: StageConfig) -> Tensor:
    """Cross-entropy of the positive among the row's negatives, cosines divided by the temperature."""
    counted = negatives.scatter(1, batch.positive[:, None], True)
    logits = (scores / stage.temperature).masked_fill(~counted, -torch.inf)
    loss = F.cross_entropy(logits, batch.positive)
    if not stage.symmetric:
        return loss
    return (loss + _positive_to_query(scores, negatives, batch, stage.temperature)) / 2


def _positive_to_query(scores: Tensor, negatives: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Cross-entropy of the row's query among the queries that its positive does not answer."""
    back = scores.T[batch.positive]  # (B, B): row i = positive i against every row's query
    counted = negatives.T[batch.positive]
    own = torch.arange(len(back), device=back.device)
    counted = counted.scatter(1, own[:, None], True)
    return F.cross_entropy((back / temperature).masked_fill(~counted, -torch.inf), own)
