"""The centres of clusters by faiss: seeded, spherical k-means on one thread: the same vectors give the same centres.

Source: Douze et al. 2024, The Faiss library; Dhillon and Modha 2001 (spherical k-means); Arthur and Vassilvitskii 2007
(k-means++, where the first centres come from: a plain draw leaves planted clusters in one).
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
        from sklearn.cluster import kmeans_plusplus
        from threadpoolctl import threadpool_limits

        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        search = faiss.Kmeans(
            vectors.shape[1],
            clusters,
            niter=self.rounds,
            seed=self.seed,
            spherical=True,
            gpu=False,
            min_points_per_centroid=1,
            max_points_per_centroid=max(1, len(vectors)),
        )
        with threadpool_limits(1):  # threads would add in another order every time
            faiss.omp_set_num_threads(1)
            first, _ = kmeans_plusplus(vectors, clusters, random_state=self.seed)
            search.train(vectors, init_centroids=first)
        centres = np.round(np.asarray(search.centroids, np.float64), _DECIMALS).astype(np.float32)
        return np.ascontiguousarray(centres[np.lexsort(centres.T[::-1])])
