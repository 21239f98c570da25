"""Each loss against a plain loop written from its paper."""

import math

import pytest
import torch
import torch.nn.functional as F

from schemas.training import StageConfig, TrainConfig
from trainer.batches import collate
from trainer.losses.losses import build_loss, cosines, mask_negatives

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


def value(batch, vectors, *, dimensions=(8,), weights=(), **changes):
    stage = StageConfig(**{**STAGE.to_mapping(), **changes})
    config = TrainConfig(dimensions=dimensions, dimension_weights=weights)
    return float(build_loss(config, stage)(*vectors, batch))


def rows_of(batch, vectors):
    """Yield (cosines of a row, positive column, allowed negative columns, own negative columns)."""
    scores = cosines(*vectors, batch).tolist()
    for row, positive in enumerate(batch.positive.tolist()):
        allowed = batch.allowed[row].nonzero().flatten().tolist()
        yield scores[row], positive, allowed, [column for column in batch.negatives[row].tolist() if column >= 0]


def test_infonce_is_the_cross_entropy_over_the_allowed_columns(batch, vectors):
    expected = [
        -math.log(math.exp(s[p] / 0.1) / sum(math.exp(s[c] / 0.1) for c in [p, *allowed]))
        for s, p, allowed, _ in rows_of(batch, vectors)
    ]

    assert value(batch, vectors) == pytest.approx(sum(expected) / 3, abs=1e-5)


def test_symmetric_infonce_adds_the_queries_that_the_positive_does_not_answer(batch, vectors):
    scores = cosines(*vectors, batch)
    back = []
    for row, positive in enumerate(batch.positive.tolist()):
        others = [other for other in range(3) if other == row or batch.allowed[other, positive]]
        logits = torch.tensor([float(scores[other, positive]) / 0.1 for other in others])
        back.append(float(torch.logsumexp(logits, 0) - scores[row, positive] / 0.1))

    expected = (value(batch, vectors) + sum(back) / 3) / 2
    assert value(batch, vectors, symmetric=True) == pytest.approx(expected, abs=1e-5)


def test_a_known_document_has_no_part_in_the_loss_however_near_it_is(batch, vectors):
    queries, documents = vectors
    moved = documents.clone()
    moved[batch.documents.index("text a")] = queries[1]  # "a" is known to answer the second query
    gradient = moved.clone().requires_grad_()
    scores = cosines(queries, gradient, batch)
    masked = mask_negatives(scores, batch, None)

    assert not masked[1, batch.documents.index("text a")]


def test_the_margin_masks_in_batch_documents_but_not_the_rows_own_negatives(batch):
    scores = torch.zeros(3, len(batch.documents))
    scores[0] = 0.9
    scores[0, batch.positive[0]] = 0.5

    counted = mask_negatives(scores, batch, 0.1)

    own = {batch.documents.index("text n"), batch.documents.index("text m")}
    assert set(counted[0].nonzero().flatten().tolist()) == own
    assert counted[2].equal(batch.allowed[2])


def test_cosent_compares_every_pair_whose_labels_differ(batch, vectors):
    labelled = []
    labels = {(0, "n"): 0.4, (0, "m"): 0.1}
    positives = [0.9, 1.0, 0.7]
    for row, (scores, positive, _, own) in enumerate(rows_of(batch, vectors)):
        labelled.append((scores[positive], positives[row]))
        labelled += [(scores[c], labels.get((row, batch.documents[c].removeprefix("text ")), 0.0)) for c in own]
    terms = [math.exp((low - high) / 0.1) for low, a in labelled for high, b in labelled if a < b - 1e-9]

    assert value(batch, vectors, loss="cosent") == pytest.approx(math.log(1 + sum(terms)), rel=1e-5)


def test_triplet_is_the_mean_hinge_over_the_rows_own_negatives(batch, vectors):
    hinges = [max(0.0, 0.3 - s[p] + s[c]) for s, p, _, own in rows_of(batch, vectors) for c in own]

    assert value(batch, vectors, loss="triplet") == pytest.approx(sum(hinges) / len(hinges), abs=1e-6)


def test_margin_mse_follows_the_teacher_where_it_spoke(batch, vectors):
    scores, positive, _, own = next(rows_of(batch, vectors))
    gaps = [(scores[positive] - scores[own[0]] - 0.5) ** 2, (scores[positive] - scores[own[1]] - 0.8) ** 2]

    assert value(batch, vectors, loss="margin_mse") == pytest.approx(sum(gaps) / 2, abs=1e-6)


def test_without_listed_negatives_the_in_batch_ones_stand_in(example):
    pairs = collate([example("q", "a"), example("r", "b")], [[], []])
    vectors = torch.eye(2), torch.eye(2).flip(0)

    assert value(pairs, vectors, dimensions=(2,), loss="triplet") == pytest.approx(1.3)
    cosent = value(pairs, vectors, dimensions=(2,), loss="cosent")
    assert cosent == pytest.approx(math.log(1 + 4 * math.exp(10)), rel=1e-5)


@pytest.mark.parametrize("loss", ["infonce", "cosent", "triplet", "margin_mse"])
def test_matryoshka_is_the_weighted_mean_over_cut_vectors(batch, vectors, loss):
    cut = tuple(part[:, :4] for part in vectors)
    whole, short = value(batch, vectors, loss=loss), value(batch, cut, dimensions=(4,), loss=loss)

    both = value(batch, vectors, dimensions=(8, 4), weights=(3.0, 1.0), loss=loss)

    assert both == pytest.approx((3 * whole + short) / 4, rel=1e-5)


@pytest.mark.parametrize("loss", ["infonce", "cosent", "triplet", "margin_mse"])
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
