"""The teacher's engine: scores pairs with a cross-encoder, made by the trainer or named in the recipe.

A pair's score must not depend on the pairs beside it, or a cache and another partitioning would change the dataset. So
every pass has one of a few shapes: a pair is padded to the first of LENGTHS that holds it, and each length has a fixed
number of rows, a budget of tokens divided by the length, filled up with empty ones. Matrix kernels then do the same
operations in the same order for every row. On a CPU one thread computes.

The body runs in bfloat16 where the hardware multiplies it, its last layer, which makes the score, in float32: a score
of eight bits would tie what it is to tell apart.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.engines.device import MOST_DEVICES, task_device
from jobs.engines.encoder import multiplies_bfloat16
from jobs.engines.quiet import quiet_libraries
from jobs.store.files import digest_of, directory_digest, directory_stamp
from schemas.errors import EngineError, RecipeError
from schemas.head import Head, read_head

LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192)
CPU_TOKENS, GPU_TOKENS = 2_048, 65_536  # of a pass: what fits a core's cache, and what fills a GPU


@dataclass(frozen=True)
class OpenScorer:
    """Opens the teacher in any process; picklable, and opened once a process and device."""

    path: str
    max_length: int
    dtype: str = "auto"

    def __call__(self) -> TransformerScorer:
        """Return this process's scorer. Raises: EngineError."""
        return _open_once(self, task_device(), directory_stamp(Path(self.path)))

    def closed_digest(self) -> str:
        """Digest of the model's files and of what decides a score's bits in this process; the model stays closed."""
        device = task_device()
        made_by = [self.max_length, pass_tokens(device), dtype_of(self.dtype, device), device.partition(":")[0]]
        return digest_of([directory_digest(Path(self.path)), *made_by])[:16]


@functools.lru_cache(maxsize=MOST_DEVICES)
def _open_once(opener: OpenScorer, device: str, _: object) -> TransformerScorer:
    """Return the scorer of files with this stamp: one whose files changed is opened again."""
    return TransformerScorer(opener, device)


class TransformerScorer:
    """A ``PairScorer`` over a CrossEncoder directory."""

    def __init__(self, opener: OpenScorer, device: str | None = None) -> None:
        """Load the model onto the device, by default that of this task.

        Raises: EngineError when the directory holds no cross-encoder.
        """
        quiet_libraries()
        import torch

        path = Path(opener.path)
        if not path.is_dir():
            raise EngineError(f"teacher {path} does not exist; try building the stage label again")
        self._device = device or task_device()
        if self._device == "cpu":
            torch.set_num_threads(1)
        self._max_length, self._tokens = opener.max_length, pass_tokens(self._device)
        self._model, self._tokenizer, self._head = _open(opener, self._device)
        self.digest = opener.closed_digest()

    def score(self, pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.float64]:
        """Return scores in (0, 1), (B,), each independent of the other pairs.

        Raises: EngineError when the model yields something that is no number.
        """
        ids = self._tokenise(pairs)
        logits = np.zeros(len(pairs))
        for length, rows in shapes([len(each["input_ids"]) for each in ids], self._max_length, self._tokens):
            logits[rows] = self._pass([ids[row] for row in rows], length)
        if not np.isfinite(logits).all():
            raise EngineError("the teacher gave scores that are no numbers; try encoder.dtype: float32")
        scores: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
        return scores

    def _tokenise(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, list[int]]]:
        """Return token ids a pair, cut to max_length by shortening the longer text first."""
        if not pairs:
            return []
        queries, texts = zip(*pairs, strict=True)
        found = self._tokenizer(
            list(queries),
            list(texts),
            truncation="longest_first",
            max_length=self._max_length,
            padding=False,
            return_attention_mask=False,
        )
        return [{name: values[row] for name, values in found.items()} for row in range(len(pairs))]

    def _pass(self, ids: Sequence[dict[str, list[int]]], length: int) -> npt.NDArray[np.float64]:
        """Return the logits of pairs that share a length, (P,): (rows, length) tokens whatever their number."""
        import torch

        shape = (max(1, self._tokens // length), length)
        arrays = {"input_ids": np.full(shape, self._tokenizer.pad_token_id or 0, dtype=np.int64)}
        arrays |= {name: np.zeros(shape, dtype=np.int64) for name in ("attention_mask", *ids[0]) if name not in arrays}
        arrays["attention_mask"][:, 0] = 1  # rows that only fill the shape attend to their first token
        for place, pair in enumerate(ids):
            size = len(pair["input_ids"])
            arrays["attention_mask"][place, :size] = 1
            for name, values in pair.items():
                arrays[name][place, :size] = values
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array).to(self._device) for name, array in arrays.items()}
            found = self._model(**tensors).logits[: len(ids)].double().cpu().numpy()
        head = self._head
        chosen = found[:, head.yes] - (found[:, head.no] if head.no is not None else 0.0)
        return np.asarray(chosen / head.scale, dtype=np.float64)


def shapes(sizes: Sequence[int], max_length: int, tokens: int) -> Iterator[tuple[int, list[int]]]:
    """Yield (padded length, rows) for pairs of so many tokens each: at most ``tokens // length`` rows at a time."""
    lengths = [length for length in LENGTHS if length < max_length] + [max_length]
    held: dict[int, list[int]] = {}
    for row, size in enumerate(sizes):
        held.setdefault(next(length for length in lengths if size <= length), []).append(row)
    for length, rows in sorted(held.items()):
        full = max(1, tokens // length)
        yield from ((length, rows[start : start + full]) for start in range(0, len(rows), full))


def pass_tokens(device: str) -> int:
    """Return the tokens of a pass."""
    return CPU_TOKENS if device == "cpu" else GPU_TOKENS


def dtype_of(wanted: str, device: str) -> str:
    """Resolve ``auto`` as the encoder does."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if multiplies_bfloat16(device) else "float32"


def _open(opener: OpenScorer, device: str) -> tuple[Any, Any, Head]:
    """Return the model, its tokenizer and how its logits are read."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        head = read_head(opener.path, "teacher")
        model = AutoModelForSequenceClassification.from_pretrained(
            opener.path, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(opener.path, local_files_only=True, trust_remote_code=False)
    except (RecipeError, OSError, ValueError, RuntimeError, KeyError) as error:
        said = " ".join(str(error).split())[:200]
        raise EngineError(f"cross-encoder {opener.path} cannot be loaded: {said}; try the stage label again") from error
    model = model.to(device).to(getattr(torch, dtype_of(opener.dtype, device))).eval()
    last = [each for each in model.modules() if isinstance(each, torch.nn.Linear)][-1].float()
    last.register_forward_pre_hook(lambda _, given: tuple(each.float() for each in given))
    return model, tokenizer, head
