"""The texts of a training set, each once: in a file that is mapped, not held, with a number each.

Memory holds 64 bits a text to tell it by (some 100 bytes in Python), whatever its length.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.ids import hash_text
from pipeline.similarity.shingles import I64, U64

_FLUSH = 8 << 20  # bytes of text that wait in memory


class TextWriter:
    """Takes texts and gives each a number; texts that differ in white space alone are one."""

    def __init__(self, folder: Path) -> None:
        """Begin a file in a folder."""
        self._path = folder / "texts.arrow"
        self._schema = pa.schema([("text", pa.large_string())])
        self._writer: Any = pa.ipc.new_file(str(self._path), self._schema)
        self._numbers = dict[int, int]()
        self._held: list[str] = []
        self._bytes = self._written = 0

    def add(self, text: str) -> int:
        """Return the number of a text."""
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode("utf-8")  # half of a pair of surrogates is no character
        key = int(hash_text(text), 16)
        number = self._numbers.setdefault(key, len(self._numbers))
        if number == self._written + len(self._held):  # a new one
            self._held.append(text)
            self._bytes += len(text)
            if self._bytes > _FLUSH:
                self._flush()
        return number

    def _flush(self) -> None:
        self._writer.write_batch(pa.record_batch([pa.array(self._held, pa.large_string())], schema=self._schema))
        self._written += len(self._held)
        self._held, self._bytes = [], 0

    def close(self) -> Texts:
        """Return the texts, to be read."""
        if self._held:
            self._flush()
        self._writer.close()
        keys = np.fromiter(self._numbers, np.uint64, len(self._numbers))
        return Texts(pa.ipc.open_file(pa.memory_map(str(self._path))).read_all()["text"], keys)


class Texts:
    """Texts by number; ``keys`` are hashes of each (the same for texts that differ in white space alone)."""

    def __init__(self, column: pa.ChunkedArray, keys: U64) -> None:
        """Hold the column of a mapped file."""
        self.column, self.keys = column, keys

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, number: int) -> str:
        text: str = self.column[int(number)].as_py()
        return text

    def take(self, numbers: I64) -> list[str]:
        """Return texts in the order of the numbers."""
        found: list[str] = self.column.take(pa.array(numbers)).to_pylist()
        return found
