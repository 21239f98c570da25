"""Exact search against a sort of all cosines."""

import numpy as np
import pytest

from trainer.evaluate.search import top_k


@pytest.mark.parametrize(("query_chunk", "doc_chunk"), [(1, 3), (4, 7), (256, 16_384)])
def test_search_is_exact_and_gives_ties_to_the_smaller_number_however_it_is_cut(query_chunk, doc_chunk):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    vectors[20:] = vectors[:20]  # every document has a twin
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[:9]
    scores = np.round(queries.astype(np.float64) @ vectors.T, 6)
    wanted = [sorted(range(40), key=lambda doc: (-row[doc], doc))[:12] for row in scores]

    assert top_k(queries, vectors, 12, query_chunk=query_chunk, doc_chunk=doc_chunk).tolist() == wanted


def test_fewer_documents_than_asked_for_are_all_returned():
    assert top_k(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), 100).shape == (3, 3)
