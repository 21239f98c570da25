"""Exact search: the k documents of highest cosine per query, by chunked matrix products.

Cosines are rounded to 6 decimals before they decide anything, and equal ones are ordered by document id, so neither
the chunk size nor the number of threads changes a result.
Cost: Q x D x H multiplications; memory of one chunk of queries times one chunk of documents.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

_SCALE = 1_000_000


def top_k(
    queries: Floats,
    documents: Floats,
    k: int,
    *,
    query_chunk: int = 256,
    doc_chunk: int = 16_384,
    device: torch.device | None = None,
) -> Integers:
    """Return (Q, min(k, D)) numbers of the nearest documents, nearest first.

    In: unit vectors (Q, H) and (D, H), the documents in order of id. Ties: the smaller number, so the smaller id.
    """
    device = device or torch.device("cpu")
    total = len(documents)
    found = np.zeros((len(queries), min(k, total)), dtype=np.int64)
    for start in range(0, len(queries), query_chunk):
        part = torch.from_numpy(queries[start : start + query_chunk]).to(device)
        best = torch.empty((len(part), 0), dtype=torch.int64, device=device)
        for first in range(0, total, doc_chunk):
            block = torch.from_numpy(documents[first : first + doc_chunk]).to(device)
            # One integer per hit: rounded cosine in the high part, reversed number in the low part. It is unique, so
            # the top k of a chunk joined to the top k so far is exact however the documents are cut.
            numbers = torch.arange(first, first + len(block), device=device)
            keys = torch.round(part @ block.T * _SCALE).to(torch.int64) * total + (total - 1 - numbers)
            joined = torch.cat([best, keys], dim=1)
            best = joined.topk(min(k, joined.shape[1]), dim=1).values
        found[start : start + len(part)] = (total - 1 - best % total).cpu().numpy()
    return found
