"""References that several tests of this folder hold results against."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

Edges = Iterable[tuple[int, int]]


def _union_find(edges: Edges) -> dict[int, int]:
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for left, right in edges:
        if left != right:
            low, high = sorted((root(left), root(right)))
            parent[high] = low
    return {node: root(node) for node in list(parent)}


def _chain(length: int, words: int = 40) -> list[str]:
    rng = random.Random(1)
    current = [f"w{rng.randrange(10**6)}" for _ in range(words)]
    texts = []
    for i in range(length):
        current[i % words] = f"v{i}x{rng.randrange(10**6)}"
        texts.append(" ".join(current))
    return texts


@pytest.fixture(scope="session")
def union_find() -> Callable[[Edges], dict[int, int]]:
    """Name every node of a graph after the smallest node of its component; a node needs an edge to another one."""
    return _union_find


@pytest.fixture(scope="session")
def chain() -> Callable[..., list[str]]:
    """Make texts each of which differs from the one before by one word, so that the first and the last share none."""
    return _chain
