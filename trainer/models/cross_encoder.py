"""The cross-encoder: fine-tuned on pairs that say whether a document answers a query.

Binary cross-entropy on one logit, AdamW, the rate of ``trainer/schedule.py``. The order of the lessons is the order of
the first pass, later passes are shuffled by seed; with the same threads the weights are the same, byte for byte.
Source: https://sbert.net/docs/cross_encoder/training_overview.html

Known weakness: a training that was stopped begins anew; it takes a minute where that of the bi-encoder takes an hour.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sentence_transformers import CrossEncoder
from torch import Tensor, nn

from schemas.errors import EngineError, RecipeError
from schemas.training import TeachConfig
from trainer.device import autocast, keep_quiet, make_deterministic, pick_device, set_threads, uses_bf16
from trainer.schedule import share_of_peak

LENGTH_STEP = 32  # a batch is padded to the next multiple: the scores are made in such lengths too
_WEIGHT_DECAY = 0.01
_MAX_NORM = 1.0


@dataclass(frozen=True)
class Lesson:
    """One teaching pair; label 1 = the document answers the query."""

    query: str
    text: str
    label: float


def read_lessons(path: str | Path) -> list[Lesson]:
    """Read lessons, one JSON object a line with query, text and label. Raises: RecipeError with the line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"--lessons must be a readable file of JSON lines, got {str(path)!r} ({error})") from error
    found: list[Lesson] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            found.append(Lesson(str(record["query"]), str(record["text"]), float(record["label"])))
        except (ValueError, KeyError, TypeError) as error:
            raise RecipeError(
                f"{path}:{number} must be a JSON object with query, text and label, got {line[:80]!r}"
            ) from error
    return found


def teach(
    lessons: Sequence[Lesson],
    base: Path,
    out: Path,
    config: TeachConfig,
    seed: int,
    emit: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, float]:
    """Fine-tune a cross-encoder from the body of ``base`` and save it in ``out`` (safetensors); one record a step.

    Out: figures: lessons, steps, and the mean loss of the first and the last tenth of the steps.
    Raises: RecipeError when ``base`` is no model directory or ``out`` exists; EngineError when there is nothing to
        learn or the base does not load.
    """
    keep_quiet()
    if out.exists():
        raise RecipeError(f"--out must not exist yet, got {str(out)!r}; try another path, or remove it")
    if not lessons:
        raise EngineError("teacher must have lessons, got none; try label.enabled: false or more gold pairs")
    if not (base / "config.json").is_file():
        raise RecipeError(f"--model must be a model directory, got {base}; try all-MiniLM-L6-v2 or a full path")
    torch.manual_seed(seed)
    set_threads(config.threads)
    make_deterministic()
    model = _open(base, config.max_length)
    losses = _fit(model, lessons, config, seed, emit)
    draft = out.with_name(out.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(draft), create_model_card=False)
    draft.rename(out)
    tenth = max(1, len(losses) // 10)
    return {
        "lessons": len(lessons),
        "steps": len(losses),
        "first_loss": round(float(np.mean(losses[:tenth])), 4),
        "last_loss": round(float(np.mean(losses[-tenth:])), 4),
    }


def _open(path: Path, max_length: int) -> Any:
    try:
        return CrossEncoder(
            str(path), num_labels=1, max_length=max_length, device=str(pick_device()), local_files_only=True
        )
    except Exception as error:  # the loader raises whatever its parts raise
        said = " ".join(str(error).split())[:200]
        raise EngineError(f"cross-encoder {path} cannot be loaded: {said}; try another model") from error


def _fit(
    model: Any,
    lessons: Sequence[Lesson],
    config: TeachConfig,
    seed: int,
    emit: Callable[[dict[str, Any]], None],
) -> list[float]:
    """Run the training steps and return their losses."""
    encoded = model.tokenizer(
        [each.query for each in lessons],
        [each.text for each in lessons],
        truncation="longest_first",
        max_length=config.max_length,
        return_attention_mask=False,
    )
    labels = torch.tensor([each.label for each in lessons], dtype=torch.float32, device=model.device)
    batches = list(_batches(len(lessons), config, seed))
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=_WEIGHT_DECAY)
    warmup = max(1, round(config.warmup * len(batches)))
    bf16 = uses_bf16("auto", model.device)
    losses: list[float] = []
    model.train()
    for step, rows in enumerate(batches):
        rate = config.learning_rate * share_of_peak(step, len(batches), warmup)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with autocast(model.device, bf16):  # twice as fast
            logits = model.model(**_features(model, encoded, rows, config.max_length)).logits.squeeze(-1).float()
        loss = F.binary_cross_entropy_with_logits(logits, labels[rows])
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), _MAX_NORM)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
        emit({"step": step + 1, "steps": len(batches), "loss": round(losses[-1], 6), "lr": rate})
    model.eval()
    return losses


def _batches(count: int, config: TeachConfig, seed: int) -> Iterator[list[int]]:
    for epoch in range(config.epochs):
        order = np.arange(count) if epoch == 0 else np.random.default_rng([seed, epoch]).permutation(count)
        for start in range(0, count, config.batch):
            yield [int(row) for row in order[start : start + config.batch]]


def _features(model: Any, encoded: Any, rows: Sequence[int], max_length: int) -> dict[str, Tensor]:
    """Return the inputs of some pairs, (n, L); L is the next step above the longest."""
    longest = max(len(encoded["input_ids"][row]) for row in rows)
    length = min(max_length, -(-max(longest, 1) // LENGTH_STEP) * LENGTH_STEP)
    chosen = {name: [values[row] for row in rows] for name, values in encoded.items()}
    padded = model.tokenizer.pad(chosen, padding="max_length", max_length=length, return_tensors="pt")
    return {name: tensor.to(model.device) for name, tensor in padded.items()}
