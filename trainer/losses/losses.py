"""What is minimised: InfoNCE, CoSENT, triplet and MarginMSE over a planned batch, at every Matryoshka dimension.

Sources: InfoNCE, van den Oord et al. 2018 (arXiv 1807.03748), with the false-negative mask of Qwen3-Embedding 2025
(arXiv 2506.05176); CoSENT, Su 2022 (kexue.fm/archives/8847); triplet, Schroff et al. 2015 (arXiv 1503.03832);
MarginMSE, Hofstaetter et al. 2020 (arXiv 2010.02666); Matryoshka, Kusupati et al. 2022 (arXiv 2205.13147).

Known weakness: a mask by score can only hide false negatives that the model already ranks above the positive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from schemas.training import StageConfig, TrainConfig
from trainer.batches import Batch

Loss = Callable[[Tensor, Tensor, Batch], Tensor]


def build_loss(config: TrainConfig, stage: StageConfig) -> Loss:
    """Return ``loss(queries (Q, H), documents (D, H), batch) -> scalar``, weighted over the dimensions."""
    weights = config.dimension_weights or tuple(1.0 for _ in config.dimensions)
    total = sum(weights)

    def loss(queries: Tensor, documents: Tensor, batch: Batch) -> Tensor:
        negatives = mask_negatives(cosines(queries.detach(), documents.detach(), batch), batch, stage.mask_margin)
        value = queries.new_zeros(())
        for dimension, weight in zip(config.dimensions, weights, strict=True):
            if weight:
                scores = cosines(queries[:, :dimension], documents[:, :dimension], batch)
                value = value + weight / total * LOSS_OF[stage.loss](scores, negatives, batch, stage)
        return value

    return loss


def cosines(queries: Tensor, documents: Tensor, batch: Batch) -> Tensor:
    """Return (B, D) cosines of each row's query and every document of the batch, in float32."""
    rows = F.normalize(queries.float(), dim=-1)[batch.query_row]
    return rows @ F.normalize(documents.float(), dim=-1).T


def mask_negatives(scores: Tensor, batch: Batch, margin: float | None) -> Tensor:
    """Return (B, D) bool: the columns that count as negatives of each row.

    Left out: documents known to answer the row's query, and those in-batch documents (not the row's own negatives,
    which were judged one by one) that score more than ``margin`` above the positive.
    """
    allowed = batch.allowed
    if margin is None:
        return allowed
    ceiling = scores.gather(1, batch.positive[:, None]) + margin
    return allowed & ((scores <= ceiling) | _own_negatives(batch))


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


def cosent(scores: Tensor, negatives: Tensor, batch: Batch, stage: StageConfig) -> Tensor:
    """log(1 + sum exp((s_low - s_high) / t)) over all pairs of the batch whose labels say low < high.

    Labels: the teacher's scores where a pair has one, else 1 for a positive and 0 for a negative.
    """
    against = _counted_negatives(negatives, batch)
    rows, columns = against.nonzero(as_tuple=True)
    high = scores.gather(1, batch.positive[:, None]).squeeze(1)
    values = torch.cat([high, scores[rows, columns]])
    teacher = _teacher_matrix(scores, batch)[rows, columns]
    labels = torch.cat([batch.positive_teacher.nan_to_num(1.0), teacher.nan_to_num(0.0)])
    gaps = (values[:, None] - values[None, :]) / stage.temperature  # (P, P): s_row - s_column
    wrong = gaps.masked_fill(~(labels[:, None] < labels[None, :]), -torch.inf).flatten()
    return torch.logsumexp(torch.cat([wrong.new_zeros(1), wrong]), dim=0)


def triplet(scores: Tensor, negatives: Tensor, batch: Batch, stage: StageConfig) -> Tensor:
    """Mean of max(0, margin - (s_positive - s_negative)) over the rows' negatives."""
    against = _counted_negatives(negatives, batch)
    high = scores.gather(1, batch.positive[:, None])
    hinge = F.relu(stage.margin - high + scores)[against]
    return hinge.sum() / max(hinge.numel(), 1)


def margin_mse(scores: Tensor, negatives: Tensor, batch: Batch, stage: StageConfig) -> Tensor:
    """Mean squared gap between the model's margin and the teacher's, over the pairs that the teacher labelled."""
    del stage
    teacher = _teacher_matrix(scores, batch)
    wanted = batch.positive_teacher[:, None] - teacher
    labelled = negatives & ~wanted.isnan()
    margins = scores.gather(1, batch.positive[:, None]) - scores
    gaps = (margins - wanted.nan_to_num(0.0))[labelled]
    return gaps.square().sum() / max(gaps.numel(), 1)


def _own_negatives(batch: Batch) -> Tensor:
    """Return (B, D) bool: the columns listed as negatives of each row."""
    own = torch.zeros_like(batch.allowed)
    if batch.negatives.numel():
        rows, places = (batch.negatives >= 0).nonzero(as_tuple=True)
        own[rows, batch.negatives[rows, places]] = True
    return own


def _counted_negatives(negatives: Tensor, batch: Batch) -> Tensor:
    """Return (B, D) bool: each row's own negatives, or all in-batch negatives for a row that lists none."""
    own = _own_negatives(batch) & negatives
    return torch.where(own.any(dim=1, keepdim=True), own, negatives)


def _teacher_matrix(scores: Tensor, batch: Batch) -> Tensor:
    """Return (B, D) teacher scores of the rows' own negatives, NaN elsewhere."""
    teacher = torch.full_like(scores, torch.nan)
    if batch.negatives.numel():
        rows, places = (batch.negatives >= 0).nonzero(as_tuple=True)
        teacher[rows, batch.negatives[rows, places]] = batch.negative_teacher[rows, places].to(scores.dtype)
    return teacher


_LossOfScores = Callable[[Tensor, Tensor, Batch, StageConfig], Tensor]
LOSS_OF: dict[str, _LossOfScores] = {"infonce": infonce, "cosent": cosent, "triplet": triplet, "margin_mse": margin_mse}
NEEDS_TEACHER: Sequence[str] = ("margin_mse",)
