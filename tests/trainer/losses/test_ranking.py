"""CoSENT and triplet against plain loops written from their papers."""

import math

import pytest
import torch

from trainer.batches import collate


def test_cosent_compares_every_pair_whose_labels_differ(batch, vectors, value, rows_of):
    labelled = []
    labels = {(0, "n"): 0.4, (0, "m"): 0.1}
    positives = [0.9, 1.0, 0.7]
    for row, (scores, positive, _, own) in enumerate(rows_of(batch, vectors)):
        labelled.append((scores[positive], positives[row]))
        labelled += [(scores[c], labels.get((row, batch.documents[c].removeprefix("text ")), 0.0)) for c in own]
    terms = [math.exp((low - high) / 0.1) for low, a in labelled for high, b in labelled if a < b - 1e-9]

    assert value(batch, vectors, loss="cosent") == pytest.approx(math.log(1 + sum(terms)), rel=1e-5)


def test_triplet_is_the_mean_hinge_over_the_rows_own_negatives(batch, vectors, value, rows_of):
    hinges = [max(0.0, 0.3 - s[p] + s[c]) for s, p, _, own in rows_of(batch, vectors) for c in own]

    assert value(batch, vectors, loss="triplet") == pytest.approx(sum(hinges) / len(hinges), abs=1e-6)


def test_without_listed_negatives_the_in_batch_ones_stand_in(example, value):
    pairs = collate([example("q", "a"), example("r", "b")], [[], []])
    vectors = torch.eye(2), torch.eye(2).flip(0)

    assert value(pairs, vectors, dimensions=(2,), loss="triplet") == pytest.approx(1.3)
    cosent = value(pairs, vectors, dimensions=(2,), loss="cosent")
    assert cosent == pytest.approx(math.log(1 + 4 * math.exp(10)), rel=1e-5)
