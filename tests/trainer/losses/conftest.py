"""A batch of three rows, its vectors, and a loss's value over them."""

import pytest
import torch

from schemas.training import StageConfig, TrainConfig
from trainer.batches import collate
from trainer.losses.matryoshka import build_loss, cosines

STAGE = StageConfig(temperature=0.1, mask_margin=None, margin=0.3)


@pytest.fixture
def batch(example):
    rows = [
        example("q", "a", ["n", "m"], positive_teacher=0.9, negative_teacher=(0.4, 0.1)),
        example("r", "b", ["o"], known_ids=frozenset({"a"})),
        example("s", "c", ["n"], positive_teacher=0.7, negative_teacher=(-1.0,)),
    ]
    return collate(rows, [[0, 1], [0], [0]])


@pytest.fixture
def vectors(batch):
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randn(len(texts), 8, generator=generator) for texts in (batch.queries, batch.documents))


@pytest.fixture
def value():
    """Return the loss of a batch as a number, with settings of the stage."""

    def measure(batch, vectors, *, dimensions=(8,), weights=(), **changes):
        stage = StageConfig(**{**STAGE.to_mapping(), **changes})
        config = TrainConfig(dimensions=dimensions, dimension_weights=weights)
        return float(build_loss(config, stage)(*vectors, batch))

    return measure


@pytest.fixture
def rows_of():
    """Yield (cosines of a row, positive column, allowed negative columns, own negative columns)."""

    def each(batch, vectors):
        scores = cosines(*vectors, batch).tolist()
        for row, positive in enumerate(batch.positive.tolist()):
            allowed = batch.allowed[row].nonzero().flatten().tolist()
            yield scores[row], positive, allowed, [column for column in batch.negatives[row].tolist() if column >= 0]

    return each
