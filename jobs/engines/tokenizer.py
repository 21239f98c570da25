"""The tokenizer of a model directory: how many tokens a text has."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.engines.quiet import quiet_libraries
from jobs.store.files import digest_of, file_sha256
from schemas.errors import EngineError

_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model")


@dataclass(frozen=True)
class OpenCounter:
    """Opens the tokenizer of a model directory in any process; picklable, and opened once a process."""

    path: str

    def __call__(self) -> ModelTokens:
        """Return this process's counter. Raises: EngineError."""
        return _open_once(self.path)


@functools.lru_cache(maxsize=2)
def _open_once(path: str) -> ModelTokens:
    return ModelTokens(Path(path))


def tokenizer_digest(path: Path) -> str:
    """Return a hash of the files that make the tokenizer of a model; its weights are no part of it."""
    files = sorted({file for pattern in _FILES for file in path.glob(pattern) if file.is_file()})
    return digest_of([(file.name, file_sha256(file)) for file in files])


class ModelTokens:
    """The port ``TokenCounter``."""

    def __init__(self, path: Path) -> None:
        """Load the tokenizer. Raises: EngineError when it does not load."""
        quiet_libraries()
        from transformers import AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(str(path), local_files_only=True)
        except Exception as error:
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise EngineError(f"the tokenizer of {path} does not load ({said}); try passages.tokenizer") from error
        self.around = int(self._tokenizer.num_special_tokens_to_add())
        self._fast: Any = getattr(self._tokenizer, "backend_tokenizer", None)
        if self._fast is not None:
            self._fast.no_truncation()
            self._fast.no_padding()

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, special ones left out."""
        if self._fast is None:
            return [len(ids) for ids in self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
        return [len(each.ids) for each in self._fast.encode_batch_fast(list(texts), add_special_tokens=False)]
