"""Settings of the mine stage."""

from __future__ import annotations

from schemas.config import Config, setting
from schemas.errors import rule
from schemas.mining import ANN, BM25, RETRIEVERS, WRITTEN

SEARCHING = tuple(name for name, kind in RETRIEVERS.items() if kind != WRITTEN)


class MineConfig(Config):
    """How many candidates are mined, and by what."""

    retrievers: tuple[str, ...] = setting((BM25, ANN), "what searches the documents", choices=SEARCHING)
    depth: int = setting(60, "hits taken per query from each retriever", low=1, high=10_000)
    depth_bm25: int | None = setting(None, "hits taken per query from BM25; null = depth", low=1, high=10_000)
    depth_ann: int | None = setting(
        None, "hits taken per query from the embedding model; null = depth", low=1, high=10_000
    )
    skip_ranks: int = setting(0, "first hits of each retriever that are left out; the depth counts from there", low=0)
    max_queries: int | None = setting(None, "mine for this many queries, drawn by hash; null = all", low=1)
    factory: str = setting(
        "auto",
        "faiss index of a shard: Flat = exact; e.g. HNSW32 (approximate); auto = Flat until documents x queries exceed "
        "10^11, lists of bytes beyond",
    )
    least_recall: float = setting(
        0.95, "share of an exact search's hits that an approximate index must find for a sample", low=0.5, high=1.0
    )

    def faults(self) -> list[str]:
        """At least one retriever, each once."""
        if not self.retrievers or len(set(self.retrievers)) < len(self.retrievers):
            return [rule("retrievers", f"one or more of {', '.join(SEARCHING)}, each once", list(self.retrievers))]
        return []

    def depth_of(self, retriever: str) -> int:
        """Return how many hits are taken per query from a retriever."""
        name = f"depth_{retriever}"
        own = getattr(self, name) if name in type(self).model_fields else None
        return self.depth if own is None else int(own)
