"""The centres of clusters by faiss: seeded, spherical k-means on one thread: the same vectors give the same centres.

Source: Douze et al. 2024, The Faiss library; Dhillon and Modha 2001 (spherical k-means).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.ports import FloatMatrix

_DECIMALS = 6


@dataclass(frozen=True)
class FindCentres:
    """The port ``CentreFinder``: so many rounds from that seed."""

    rounds: int
    seed: int

    def __call__(self, vectors: FloatMatrix, clusters: int) -> FloatMatrix:
        """Return unit vectors (K, H) float32, to 6 decimals, in an order of their own: by their components."""
        import faiss

        faiss.omp_set_num_threads(1)  # threads would add in another order every time
        search = faiss.Kmeans(
            vectors.shape[1], clusters, niter=self.rounds, seed=self.seed, spherical=True, gpu=False,
            min_points_per_centroid=1, max_points_per_centroid=max(1, len(vectors)))
        search.train(np.ascontiguousarray(vectors, dtype=np.float32))
        centres = np.round(search.centroids.astype(np.float64), _DECIMALS).astype(np.float32)
        return np.ascontiguousarray(centres[np.lexsort(centres.T[::-1])])
