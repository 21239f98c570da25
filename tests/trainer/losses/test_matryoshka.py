"""Every loss at several dimensions, and at its edges."""

import pytest
import torch
import torch.nn.functional as F

from schemas.training import LOSSES, StageConfig, TrainConfig
from trainer.batches import collate
from trainer.losses.matryoshka import build_loss, cosines


@pytest.mark.parametrize("loss", LOSSES)
def test_matryoshka_is_the_weighted_mean_over_cut_vectors(batch, vectors, loss, value):
    cut = tuple(part[:, :4] for part in vectors)
    whole, short = value(batch, vectors, loss=loss), value(batch, cut, dimensions=(4,), loss=loss)

    both = value(batch, vectors, dimensions=(8, 4), weights=(3.0, 1.0), loss=loss)

    assert both == pytest.approx((3 * whole + short) / 4, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_row_alone_gives_a_finite_loss_and_gradient(example, loss):
    alone = collate([example("q", "a")], [[]])
    queries = torch.randn(1, 8, requires_grad=True)

    result = build_loss(TrainConfig(dimensions=(8,)), StageConfig(loss=loss))(queries, torch.randn(1, 8), alone)
    result.backward()

    assert torch.isfinite(result)
    assert torch.isfinite(queries.grad).all()


def test_cosines_do_not_depend_on_the_length_of_the_vectors(batch, vectors):
    queries, documents = vectors

    assert torch.allclose(cosines(queries * 7, documents * 0.1, batch), cosines(queries, documents, batch), atol=1e-6)
    assert torch.allclose(cosines(queries, documents, batch)[0, 0], F.cosine_similarity(queries[0], documents[0], 0))
