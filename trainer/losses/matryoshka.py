"""A loss at every Matryoshka dimension: the first values of a vector learn to do alone.

Source: Kusupati et al. 2022 (arXiv 2205.13147).
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from schemas.training import StageConfig, TrainConfig
from trainer.batches import Batch
from trainer.losses.masks import mask_negatives
from trainer.losses.registry import find_loss

Loss = Callable[[Tensor, Tensor, Batch], Tensor]


def build_loss(config: TrainConfig, stage: StageConfig) -> Loss:
    """Return ``loss(queries (Q, H), documents (D, H), batch) -> scalar``, weighted over the dimensions."""
    weights = config.dimension_weights or tuple(1.0 for _ in config.dimensions)
    total = sum(weights)
    loss_of = find_loss(stage.loss)

    def loss(queries: Tensor, documents: Tensor, batch: Batch) -> Tensor:
        negatives = mask_negatives(cosines(queries.detach(), documents.detach(), batch), batch, stage.mask_margin)
        value = queries.new_zeros(())
        for dimension, weight in zip(config.dimensions, weights, strict=True):
            if weight:
                scores = cosines(queries[:, :dimension], documents[:, :dimension], batch)
                value = value + weight / total * loss_of(scores, negatives, batch, stage)
        return value

    return loss


def cosines(queries: Tensor, documents: Tensor, batch: Batch) -> Tensor:
    """Return (B, D) cosines of each row's query and every document of the batch, in float32."""
    rows = F.normalize(queries.float(), dim=-1)[batch.query_row]
    return rows @ F.normalize(documents.float(), dim=-1).T
