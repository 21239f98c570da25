"""InfoNCE against a plain loop written from its paper."""

import math

import pytest
import torch

from trainer.losses.matryoshka import cosines


def test_infonce_is_the_cross_entropy_over_the_allowed_columns(batch, vectors, value, rows_of):
    expected = [
        -math.log(math.exp(s[p] / 0.1) / sum(math.exp(s[c] / 0.1) for c in [p, *allowed]))
        for s, p, allowed, _ in rows_of(batch, vectors)
    ]

    assert value(batch, vectors) == pytest.approx(sum(expected) / 3, abs=1e-5)


def test_symmetric_infonce_adds_the_queries_that_the_positive_does_not_answer(batch, vectors, value):
    scores = cosines(*vectors, batch)
    back = []
    for row, positive in enumerate(batch.positive.tolist()):
        others = [other for other in range(3) if other == row or batch.allowed[other, positive]]
        logits = torch.tensor([float(scores[other, positive]) / 0.1 for other in others])
        back.append(float(torch.logsumexp(logits, 0) - scores[row, positive] / 0.1))

    expected = (value(batch, vectors) + sum(back) / 3) / 2
    assert value(batch, vectors, symmetric=True) == pytest.approx(expected, abs=1e-5)
