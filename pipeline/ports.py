"""What the stages ask of their engines. Implemented in ``jobs/engines``; tests pass fakes.

A stage gets a *factory*: a picklable callable without arguments that opens one engine per Spark partition, in the
worker process. Engines with something to release are context managers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame

FloatMatrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Hit:
    """One search result; rank counts from 1."""

    doc_id: str
    rank: int
    score: float


class Retriever(Protocol):
    """Text search over an index (Lucene BM25)."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Return up to k hits per query, best first, ties by doc_id."""
        ...


class VectorIndex(Protocol):
    """Nearest neighbours over embeddings in shards (faiss)."""

    def search(self, vectors: FloatMatrix, k: int, span: int = 0, spans: int = 1) -> list[list[Hit]]:
        """Return up to k hits per row of vectors (Q, H), highest inner product first, ties by doc_id.

        ``span`` of ``spans``: of that part of the documents alone.
        """
        ...


class VectorStore(Protocol):
    """Embeddings by id, in a file that the workers of a machine share."""

    def find(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the row of each id, (N,); -1 for an id without a vector."""
        ...

    def take(self, rows: npt.NDArray[np.int64]) -> FloatMatrix:
        """Return a copy of rows that ``find`` gave, (N, H)."""
        ...


class Encoder(Protocol):
    """A text-embedding model."""

    @property
    def digest(self) -> str:
        """Digest of the model's files and settings: the cache key."""
        ...

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """Return L2-normalised embeddings, (B, H) float32, independent of which texts share the call."""
        ...


@dataclass(frozen=True)
class Lesson:
    """What a cross-encoder learns from: a query, a document that answers it, and others that do not."""

    query: str
    positive: str
    negatives: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """A pair of held-out gold: a hidden positive or not, and what the other signals say of it (higher = nearer)."""

    query: str
    text: str
    hidden: bool
    signals: Mapping[str, float | None]


class PairScorer(Protocol):
    """A cross-encoder."""

    @property
    def digest(self) -> str:
        """Digest of the model's files."""
        ...

    def score(self, pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.float64]:
        """Return scores in (0, 1), (B,), for (query, document) pairs."""
        ...


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt for the LLM."""

    request_id: str
    prompt: str


@dataclass(frozen=True)
class GenerationReply:
    """What came back: text is raw; error is set when the server refused this request for good."""

    request_id: str
    text: str
    finish_reason: str
    error: str | None = None


class Requests(Protocol):
    """So many requests, in the order in which they are made; not all of them in memory, perhaps."""

    def __iter__(self) -> Iterator[GenerationRequest]:
        """Yield them."""
        ...

    def __len__(self) -> int:
        """Return how many there are."""
        ...


class Generator(Protocol):
    """An LLM behind a completion interface (vLLM)."""

    def complete(
        self,
        requests: Requests,
        *,
        max_tokens: int,
        temperature: float,
        seed: int,
        stop: Sequence[str],
    ) -> Iterator[GenerationReply]:
        """Yield one reply per request as they come, in any order."""
        ...


Opener = Callable[[], AbstractContextManager[Retriever]]
"""Opens a BM25 searcher in a worker process."""
VectorOpener = Callable[[], AbstractContextManager[VectorIndex]]
"""Opens a vector index in a worker process."""
StoreOpener = Callable[[], AbstractContextManager[VectorStore]]
"""Opens a store of vectors in a worker process."""


class CentreFinder(Protocol):
    """Clustering of vectors (k-means by faiss)."""

    def __call__(self, vectors: FloatMatrix, clusters: int) -> FloatMatrix:
        """Return the centres, unit vectors (K, H); the same vectors in the same order give the same ones."""
        ...


class TokenCounter(Protocol):
    """The tokenizer of a model."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, without those that the model puts around it."""
        ...

    @property
    def around(self) -> int:
        """How many tokens the model puts around a text ([CLS], [SEP])."""
        ...


class VectorMemory(Protocol):
    """Vectors that were computed before, by this model, for these texts."""

    def recall(self, wanted: DataFrame, prefix: str, compute: Callable[[DataFrame], DataFrame]) -> DataFrame:
        """Return (key, vector) for each row of ``wanted`` (key, text); ``compute`` gives it for those not known."""
        ...


class ScoreMemory(Protocol):
    """Scores that were computed before, by this model, for these pairs."""

    def recall(self, wanted: DataFrame, compute: Callable[[DataFrame], DataFrame]) -> DataFrame:
        """Return keys, teacher and teacher_model of each row of ``wanted``; ``compute`` gives those not known."""
        ...


EncoderFactory = Callable[[], Encoder]
ScorerFactory = Callable[[], PairScorer]
CounterFactory = Callable[[], TokenCounter]
