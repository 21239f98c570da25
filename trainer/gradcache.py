"""One step's gradient, with memory that follows the mini batch and not the batch.

GradCache (Gao et al. 2021, arXiv 2101.06983): embed all texts without a graph, take the loss's gradient with respect
to the embeddings, then embed each mini batch again with a graph and push its share of that gradient through. The
random numbers of a mini batch (dropout) are seeded by (seed, step, mini batch), so the second pass repeats the first,
and a resumed run repeats the undisturbed one.

Known weakness: it costs one more forward pass; ``cached=False`` keeps all graphs instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from trainer.batches import Batch
from trainer.device import autocast
from trainer.losses.matryoshka import Loss
from trainer.models.bi_encoder import DOCUMENT, QUERY, Features, embed, split_by_length, tokenise


@dataclass(frozen=True)
class Chunk:
    """A mini batch: its texts' rows in the stacked embeddings (queries, then documents), features, random seed."""

    rows: Tensor
    features: Features
    seed: int


def backward(
    model: SentenceTransformer, batch: Batch, loss: Loss, *, mini_batch: int, cached: bool, bf16: bool, seed: str
) -> float:
    """Add the gradient of ``loss`` over the batch to the model's parameters; return the loss."""
    chunks = _chunks(model, batch, mini_batch, seed)
    batch = batch.to(model.device)
    total = len(batch.queries) + len(batch.documents)

    def value_of(stacked: Tensor) -> Tensor:
        return loss(stacked[: len(batch.queries)], stacked[len(batch.queries) :], batch)

    if cached and len(chunks) > 1:
        return _backward_cached(model, chunks, total, value_of, bf16)
    value = value_of(_stack([_embed_chunk(model, chunk, bf16) for chunk in chunks], chunks))
    torch.autograd.backward(value)
    return float(value.detach())


def _backward_cached(
    model: SentenceTransformer, chunks: list[Chunk], total: int, value_of: Callable[[Tensor], Tensor], bf16: bool
) -> float:
    with torch.no_grad():
        stacked = _stack([_embed_chunk(model, chunk, bf16) for chunk in chunks], chunks)
    assert len(stacked) == total
    leaf = stacked.detach().requires_grad_()
    value = value_of(leaf)
    torch.autograd.backward(value)
    assert leaf.grad is not None
    for chunk in chunks:
        share = leaf.grad[chunk.rows.to(leaf.device)]
        torch.autograd.backward(_embed_chunk(model, chunk, bf16), share)
    return float(value.detach())


def _chunks(model: SentenceTransformer, batch: Batch, mini_batch: int, seed: str) -> list[Chunk]:
    found: list[Chunk] = []
    offset = 0
    for texts, role in ((batch.queries, QUERY), (batch.documents, DOCUMENT)):
        for rows, features in split_by_length(tokenise(model, texts, role), mini_batch):
            digest = hashlib.sha256(f"{seed}:{len(found)}".encode()).digest()
            found.append(Chunk(rows + offset, features, int.from_bytes(digest[:7], "big")))
        offset += len(texts)
    return found


def _embed_chunk(model: SentenceTransformer, chunk: Chunk, bf16: bool) -> Tensor:
    # A context of its own per pass: autocast caches the casts of weights, and those made without a graph
    # would cut the second pass off from its parameters.
    torch.manual_seed(chunk.seed)
    with autocast(model.device, bf16):
        return embed(model, chunk.features)


def _stack(parts: list[Tensor], chunks: list[Chunk]) -> Tensor:
    """Return the embeddings (Q + D, H) in the order of the texts."""
    order = torch.cat([chunk.rows for chunk in chunks]).argsort()
    return torch.cat(parts)[order.to(parts[0].device)]
