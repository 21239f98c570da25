"""The cross-encoder: fine-tuned on gold, each positive among negatives that were mined for its query.

AdamW, the rate of ``trainer/schedule.py``, one logit a pair. A step takes whole lessons; their order is that of the
first pass, later passes are shuffled by seed; with the same threads the weights are the same, byte for byte. A few
times on the way the exam says whether to go on (``trainer/models/exam.py``).
Source: https://sbert.net/docs/cross_encoder/training_overview.html; Cao et al. 2007 (listwise softmax).

Known weakness: a training that was stopped begins anew; it takes minutes where that of the bi-encoder takes an hour.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sentence_transformers import CrossEncoder
from torch import Tensor, nn

from schemas.errors import EngineError, RecipeError
from schemas.training import LISTWISE, POINTWISE, TeachConfig
from trainer.device import autocast, keep_quiet, make_deterministic, pick_device, set_threads, uses_bf16
from trainer.models.exam import Exam, Question
from trainer.schedule import share_of_peak

LENGTH_STEP = 32  # a batch is padded to the next multiple
_EXAM_TOKENS = 4_096  # of a pass over the exam
_WEIGHT_DECAY = 0.01
_MAX_NORM = 1.0

Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Lesson:
    """A query, a document that answers it, and others that do not."""

    query: str
    positive: str
    negatives: tuple[str, ...]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Query and text, the positive first."""
        return [(self.query, text) for text in (self.positive, *self.negatives)]


@dataclass
class _Course:
    """What happened: the loss of each step, and what the exam said."""

    losses: list[float] = field(default_factory=list)
    exam: Exam | None = None


def read_lessons(path: str | Path) -> list[Lesson]:
    """Read lessons, one JSON object a line with query, positive and negatives. Raises: RecipeError with the line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"--lessons must be a readable file of JSON lines, got {str(path)!r} ({error})") from error
    found: list[Lesson] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if not isinstance(record["negatives"], list) or not record["negatives"]:
                raise ValueError("no negatives")
            negatives = tuple(str(text) for text in record["negatives"])
            found.append(Lesson(str(record["query"]), str(record["positive"]), negatives))
        except (ValueError, KeyError, TypeError) as error:
            raise RecipeError(
                f"{path}:{number} must be a JSON object with query, positive and negatives, got {line[:80]!r}"
            ) from error
    return found


def teach(
    lessons: Sequence[Lesson],
    base: Path,
    out: Path,
    config: TeachConfig,
    seed: int,
    emit: Emit = lambda _: None,
    questions: Sequence[Question] = (),
) -> dict[str, Any]:
    """Fine-tune a cross-encoder from the body of ``base`` and save it in ``out`` (safetensors); one record a step.

    Out: figures: lessons, steps, the mean loss of the first and the last tenth of the steps, what the exam said at
        each check, and, where it was given up, ``stopped``: the reason. Then nothing is saved.
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
    course = _fit(model, lessons, questions, config, seed, emit)
    tenth = max(1, len(course.losses) // 10)
    figures: dict[str, Any] = {
        "lessons": len(lessons),
        "steps": len(course.losses),
        "first_loss": round(float(np.mean(course.losses[:tenth])), 4),
        "last_loss": round(float(np.mean(course.losses[-tenth:])), 4),
        **(course.exam.figures() if course.exam else {}),
    }
    if "stopped" not in figures:
        draft = out.with_name(out.name + ".partial")
        shutil.rmtree(draft, ignore_errors=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(str(draft), create_model_card=False)
        draft.rename(out)
    return figures


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
    questions: Sequence[Question],
    config: TeachConfig,
    seed: int,
    emit: Emit,
) -> _Course:
    """Run the training steps, until the last or until the exam ends them."""
    batches = list(_batches(lessons, config, seed))[: config.max_steps]
    course = _Course(exam=Exam.of(questions, config.checks, len(batches)))
    encoded = [_encode(model, lesson.pairs, config.max_length) for lesson in lessons]
    asked = _encode(model, [(each.query, each.text) for each in questions], config.max_length)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=_WEIGHT_DECAY)
    warmup = max(1, round(config.warmup * len(batches)))
    bf16 = uses_bf16("auto", model.device)
    model.train()
    for step, rows in enumerate(batches):
        rate = config.learning_rate * share_of_peak(step, len(batches), warmup)
        for group in optimiser.param_groups:
            group["lr"] = rate
        inputs = [pair for row in rows for pair in encoded[row]]
        with autocast(model.device, bf16):  # twice as fast
            logits = model.model(**_features(model, inputs, config.max_length)).logits.squeeze(-1).float()
        loss = loss_of(logits, [len(encoded[row]) for row in rows], config.loss)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), _MAX_NORM)
        optimiser.step()
        optimiser.zero_grad()
        course.losses.append(float(loss.detach()))
        emit({"step": step + 1, "steps": len(batches), "loss": round(course.losses[-1], 6), "lr": rate})
        if course.exam and course.exam.is_due(step + 1):
            said = course.exam.take(step + 1, _score(model, asked, config.max_length, bf16))
            emit(said)
            if course.exam.stopped:
                break
    model.eval()
    return course


def loss_of(logits: Tensor, sizes: Sequence[int], kind: str) -> Tensor:
    """Return the mean loss of lessons whose logits stand one after the other, (P,), each positive first."""
    if kind == POINTWISE:
        firsts = np.cumsum([0, *sizes[:-1]]).tolist()
        labels = torch.zeros_like(logits)
        labels[firsts] = 1.0
        return F.binary_cross_entropy_with_logits(logits, labels)
    losses = []
    for scores in torch.split(logits, list(sizes)):
        if kind == LISTWISE:
            losses.append(torch.logsumexp(scores, dim=0) - scores[0])
        else:
            losses.append(F.softplus(scores[1:] - scores[0]).mean())
    return torch.stack(losses).mean()


def _batches(lessons: Sequence[Lesson], config: TeachConfig, seed: int) -> Iterator[list[int]]:
    """Yield the lessons of each step: as many as ``batch`` pairs hold, one at least."""
    for epoch in range(config.epochs):
        count = len(lessons)
        order = np.arange(count) if epoch == 0 else np.random.default_rng([seed, epoch]).permutation(count)
        rows: list[int] = []
        pairs = 0
        for row in order.tolist():
            size = 1 + len(lessons[row].negatives)
            if rows and pairs + size > config.batch:
                yield rows
                rows, pairs = [], 0
            rows.append(row)
            pairs += size
        if rows:
            yield rows


def _score(model: Any, encoded: Sequence[dict[str, list[int]]], max_length: int, bf16: bool) -> npt.NDArray[np.float64]:
    """Return the logits of pairs, (P,), as the model stands now; pairs of like length share a pass."""
    order = sorted(range(len(encoded)), key=lambda row: (len(encoded[row]["input_ids"]), row))
    found = np.zeros(len(encoded))
    rows: list[int] = []
    model.eval()
    with torch.inference_mode(), autocast(model.device, bf16):
        for place, row in enumerate(order):
            rows.append(row)
            is_last = place == len(order) - 1
            if is_last or (len(rows) + 1) * len(encoded[order[place + 1]]["input_ids"]) > _EXAM_TOKENS:
                features = _features(model, [encoded[each] for each in rows], max_length)
                found[rows] = model.model(**features).logits.squeeze(-1).double().cpu().numpy()
                rows = []
    model.train()
    return found


def _encode(model: Any, pairs: Sequence[tuple[str, str]], max_length: int) -> list[dict[str, list[int]]]:
    """Return the token ids of each pair, the longer text shortened first."""
    if not pairs:
        return []
    queries, texts = zip(*pairs, strict=True)
    found = model.tokenizer(
        list(queries), list(texts), truncation="longest_first", max_length=max_length, return_attention_mask=False
    )
    return [{name: values[row] for name, values in found.items()} for row in range(len(pairs))]


def _features(model: Any, pairs: Sequence[dict[str, list[int]]], max_length: int) -> dict[str, Tensor]:
    """Return the inputs of some pairs, (P, L); L is the next step above the longest."""
    longest = max(len(each["input_ids"]) for each in pairs)
    length = min(max_length, -(-max(longest, 1) // LENGTH_STEP) * LENGTH_STEP)
    chosen = {name: [each[name] for each in pairs] for name in pairs[0]}
    padded = model.tokenizer.pad(chosen, padding="max_length", max_length=length, return_tensors="pt")
    return {name: tensor.to(model.device) for name, tensor in padded.items()}
