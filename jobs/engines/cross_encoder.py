"""The teacher's engine: scores pairs with a cross-encoder, which the trainer made.

A pair's score must not depend on the pairs beside it, or a cache and another partitioning would change the dataset. So
every pass has one of a few fixed shapes: ``batch`` rows (short batches are filled with empty ones) of a length that the
pair's own token count decides. Matrix kernels then do the same operations in the same order for every row.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.engines.device import MOST_DEVICES, task_device
from jobs.engines.quiet import quiet_libraries
from jobs.store.files import digest_of, directory_digest, directory_stamp
from schemas.errors import EngineError

LENGTH_STEP = 32  # a pair is padded to the next multiple


@dataclass(frozen=True)
class OpenScorer:
    """Opens the teacher in any process; picklable, and opened once a process and device."""

    path: str
    max_length: int
    batch: int

    def __call__(self) -> TransformerScorer:
        """Return this process's scorer. Raises: EngineError."""
        return _open_once(self, task_device(), directory_stamp(Path(self.path)))

    def closed_digest(self) -> str:
        """Digest of the model's files and of the length it reads; the model stays closed."""
        return digest_of([directory_digest(Path(self.path)), self.max_length])[:16]


@functools.lru_cache(maxsize=MOST_DEVICES)
def _open_once(opener: OpenScorer, device: str, _: object) -> TransformerScorer:
    """Return the scorer of files with this stamp: one whose files changed is opened again."""
    return TransformerScorer(Path(opener.path), max_length=opener.max_length, batch=opener.batch, device=device)


class TransformerScorer:
    """A ``PairScorer`` over a CrossEncoder directory."""

    def __init__(self, path: Path, *, max_length: int, batch: int, threads: int = 1, device: str | None = None) -> None:
        """Load the model onto the device, by default that of this task; ``threads`` score on a CPU.

        Raises: EngineError when the directory holds no cross-encoder.
        """
        quiet_libraries()
        import torch

        if not path.is_dir():
            raise EngineError(f"teacher {path} does not exist; try building the stage label again")
        torch.set_num_threads(threads)
        self._model = _open(path, max_length, device=device)
        self._model.eval()
        self._max_length, self._batch = max_length, batch
        self._digest = OpenScorer(str(path), max_length, batch).closed_digest()

    @property
    def digest(self) -> str:
        """Digest of the model's files and of the length it reads."""
        return self._digest

    def score(self, pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.float64]:
        """Return scores in (0, 1), (B,), each independent of the other pairs."""
        encoded = _encode(self._model.tokenizer, pairs, self._max_length)
        lengths = [_pad_length(len(ids), self._max_length) for ids in encoded["input_ids"]]
        scores = np.zeros(len(pairs), dtype=np.float64)
        for length in sorted(set(lengths)):
            rows = [row for row, found in enumerate(lengths) if found == length]
            for start in range(0, len(rows), self._batch):
                some = rows[start : start + self._batch]
                scores[some] = self._pass(encoded, some, length)
        return scores

    def _pass(self, encoded: Any, rows: Sequence[int], length: int) -> npt.NDArray[np.float64]:
        """Score rows of one length: (batch, length) tokens whatever the number of rows."""
        import torch

        features = _features(self._model, encoded, rows, length, self._batch)
        with torch.inference_mode():
            logits = self._model.model(**features).logits
            found = torch.sigmoid(logits.double()).squeeze(-1).cpu().numpy()
        return np.asarray(found[: len(rows)], dtype=np.float64)


def _encode(tokenizer: Any, pairs: Sequence[tuple[str, str]], max_length: int) -> Any:
    """Return token ids a pair, cut to max_length by shortening the longer text first."""
    queries, texts = [query for query, _ in pairs], [text for _, text in pairs]
    if not pairs:
        return {"input_ids": [], "token_type_ids": []}
    return tokenizer(
        queries, texts, truncation="longest_first", max_length=max_length, padding=False, return_attention_mask=False
    )


def _features(model: Any, encoded: Any, rows: Sequence[int], length: int, batch: int) -> dict[str, Any]:
    """Return (batch, length) model inputs for the rows; rows that only fill the shape attend to their first token."""
    import torch

    shape = (batch, length)
    ids = np.full(shape, model.tokenizer.pad_token_id, dtype=np.int64)
    mask, kinds = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    mask[:, 0] = 1
    has_kinds = "token_type_ids" in encoded
    for place, row in enumerate(rows):
        tokens = encoded["input_ids"][row]
        ids[place, : len(tokens)], mask[place, : len(tokens)] = tokens, 1
        if has_kinds:
            kinds[place, : len(tokens)] = encoded["token_type_ids"][row]
    arrays = {"input_ids": ids, "attention_mask": mask, **({"token_type_ids": kinds} if has_kinds else {})}
    return {name: torch.from_numpy(array).to(model.device) for name, array in arrays.items()}


def _pad_length(tokens: int, max_length: int) -> int:
    return min(max_length, -(-max(tokens, 1) // LENGTH_STEP) * LENGTH_STEP)


def _open(path: Path, max_length: int, device: str | None) -> Any:
    from sentence_transformers import CrossEncoder

    try:
        return CrossEncoder(
            str(path),
            max_length=max_length,
            device=device or task_device(),
            local_files_only=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())[:200]
        raise EngineError(f"cross-encoder {path} cannot be loaded: {said}; try the stage label again") from error
