"""The learning rate of a step, and the optimiser that uses it."""

from __future__ import annotations

import torch
from sentence_transformers import SentenceTransformer

from schemas.training import StageConfig


def share_of_peak(step: int, steps: int, warmup: int) -> float:
    """Return the share of the peak rate at a step counted from 0: linear up over the warm-up, then down to zero."""
    return (step + 1) / warmup if step < warmup else (steps - step) / max(steps - warmup, 1)


def rate_of(step: int, steps: int, stage: StageConfig) -> float:
    """Return the learning rate of a step."""
    return stage.learning_rate * share_of_peak(step, steps, round(steps * stage.warmup))


def make_optimiser(model: SentenceTransformer, stage: StageConfig) -> torch.optim.AdamW:
    """Return AdamW without weight decay on biases and norms (vectors), as is the custom since BERT."""
    matrices = [value for value in model.parameters() if value.requires_grad and value.dim() > 1]
    vectors = [value for value in model.parameters() if value.requires_grad and value.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": stage.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=stage.learning_rate, fused=True)
