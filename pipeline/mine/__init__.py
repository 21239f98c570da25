"""Candidates for hard negatives: what BM25 and the embedding model find for each query."""
