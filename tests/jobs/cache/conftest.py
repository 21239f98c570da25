"""A model whose every call is written down, for the caches of what models compute."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jobs.store.files import directory_digest


def _model_in(folder: Path):
    """A factory of the model in a folder: a text's vector is its hash times a weight in a file; calls are logged."""

    class Model:
        @property
        def digest(self):
            return directory_digest(folder / "model")

        def encode(self, texts):
            with (folder / "asked").open("a") as log:
                log.writelines(f"{text}\n" for text in texts)
            weight = float((folder / "model" / "weight").read_text())
            return np.array([[hashlib.sha256(t.encode()).digest()[0] * weight, 0.1] for t in texts], np.float32)

        def score(self, pairs):
            return self.encode([f"{query}|{text}" for query, text in pairs])[:, 0].astype(float) / 512

    return Model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a model of one weight."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weight").write_text("0.5")
    return tmp_path


@pytest.fixture
def factory(folder: Path) -> type:
    """Give what opens the folder's model."""
    return _model_in(folder)


@pytest.fixture
def asked(folder: Path) -> Callable[[], list[str]]:
    """Give a function that returns the texts which the model has seen since its last call."""

    def read() -> list[str]:
        log = folder / "asked"
        found = sorted(log.read_text().split("\n")[:-1]) if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    return read
