"""What has no part in a loss."""

import torch

from trainer.losses.masks import mask_negatives
from trainer.losses.matryoshka import cosines


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
