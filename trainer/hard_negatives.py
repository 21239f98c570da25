"""Which of a row's negatives a step uses: the dataset's order, or the order of the model in training.

Dynamic hard negatives after Conan-embedding (Li et al. 2024, arXiv 2408.15710): every so many steps the negatives of
the batches that come next are scored with the current model, and each row takes its now hardest ones. Conan guards
against false negatives by an absolute score; here the guard is a share of the positive's score (NV-Retriever, Moreira
et al. 2024, arXiv 2407.15831). Only negatives that the dataset kept are candidates: a veto is never undone.

Known weakness: a row whose negatives all pass the guard has in-batch negatives only, until the next refresh.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sentence_transformers import SentenceTransformer

from schemas.training import StageConfig
from trainer.models.bi_encoder import DOCUMENT, QUERY, encode
from trainer.shards import Example


class NegativeChoice:
    """The numbers of the negatives in use, per example; its state goes into the checkpoint."""

    def __init__(self, stage: StageConfig) -> None:
        """Start with the dataset's order."""
        self.count = stage.negatives
        self.every = stage.refresh_steps
        self.guard = stage.refresh_guard
        self.chosen: dict[str, list[int]] = {}

    def is_due(self, step: int) -> bool:
        """Say whether the negatives must be scored before this step (counted from 0)."""
        return self.every > 0 and self.count > 0 and step % self.every == 0

    def choose(self, example: Example) -> list[int]:
        """Return the numbers of the example's negatives to train on, hardest first, at most ``count``."""
        if example.example_id in self.chosen:
            return self.chosen[example.example_id]
        return example.usable()[: self.count]

    def refresh(self, model: SentenceTransformer, examples: Sequence[Example], *, bf16: bool) -> None:
        """Score the negatives of the examples with the model and take the hardest; forget all earlier choices.

        Ties: broken by the dataset's order. Cost: one encoding of every distinct text of the examples.
        """
        queries = encode(model, [example.query for example in examples], QUERY, bf16=bf16)
        texts = list(dict.fromkeys(text for e in examples for text in (e.positive, *e.negatives)))
        vectors = encode(model, texts, DOCUMENT, bf16=bf16)
        place = {text: number for number, text in enumerate(texts)}
        self.chosen = {}
        for example, query in zip(examples, queries, strict=True):
            rows = [place[example.positive], *(place[text] for text in example.negatives)]
            scores = np.round(vectors[rows] @ query, 6)
            self.chosen[example.example_id] = rank_negatives(example, scores[0], scores[1:], self.guard)[: self.count]


def rank_negatives(example: Example, positive: float, scores: Sequence[float], guard: float) -> list[int]:
    """Return the numbers of the usable negatives whose score is within ``guard * positive``, hardest first."""
    ceiling = guard * positive
    within = [number for number in example.usable() if scores[number] <= ceiling]
    return sorted(within, key=lambda number: (-scores[number], number))
