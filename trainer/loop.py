"""The training loop: planned batches in, a saved model out; stoppable at any moment.

Work in progress lies in ``<out>.partial`` (checkpoints, the log); ``<out>`` appears by a rename when the model is
complete. Every random choice is a function of (seed, step), so a run continued after a kill gives the same weights as
an undisturbed one, byte for byte on a CPU with the same number of threads.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from schemas.encoding import Encoding, read_encoding
from schemas.errors import EngineError, RecipeError
from schemas.training import StageConfig, TrainConfig
from trainer.batches import collate
from trainer.card import write_card
from trainer.checkpoint import Position, load_checkpoint, save_checkpoint
from trainer.device import make_deterministic, pick_device, set_threads, uses_bf16
from trainer.gradcache import backward
from trainer.hard_negatives import NegativeChoice
from trainer.losses.matryoshka import build_loss
from trainer.losses.registry import needs_teacher
from trainer.models.bi_encoder import DOCUMENT, QUERY, digest_model, load_model
from trainer.schedule import make_optimiser, rate_of
from trainer.shards import Dataset, Example, StageShards

Emit = Callable[[dict[str, Any]], None]
_LOG, _SUMMARY = "training.jsonl", "training.json"


@dataclass(frozen=True)
class Request:
    """One call of the trainer: dataset, stage, base model, settings, where the model goes."""

    dataset: str
    stage: int
    model: str
    config: TrainConfig
    out: Path
    resume: bool = False
    query_prefix: str | None = None  # None = what the dataset was mined with, else the model's own prompt
    doc_prefix: str | None = None

    def encoding(self, dataset: Dataset) -> Encoding:
        """Return how the model reads texts. Raises: RecipeError when it cannot read them so."""
        given = dataset.prefixes
        query = given.get(QUERY) if self.query_prefix is None else self.query_prefix
        document = given.get(DOCUMENT) if self.doc_prefix is None else self.doc_prefix
        encoding = read_encoding(self.model, query, document, field="train")
        encoding.check(self.config.max_length, field="train")
        return encoding

    @property
    def settings(self) -> StageConfig:
        """The settings of the stage asked for."""
        return self.config.stage1 if self.stage == 1 else self.config.stage2


def train(request: Request, emit: Emit) -> dict[str, Any]:
    """Train one stage and save the model; ``emit`` gets one record a step. Returns the summary.

    Raises: RecipeError, ShardError, EngineError, each with the way out.
    """
    if request.settings.epochs == 0:
        raise RecipeError(f"stage{request.stage}.epochs must be at least 1 to train, got 0; try not calling this stage")
    dataset = Dataset(request.dataset)
    threads = set_threads(request.config.threads)
    device = pick_device()
    encoding = request.encoding(dataset)
    model = load_model(request.model, device, encoding)
    fingerprint = _fingerprint(request, dataset, encoding)
    if (done := _finished(request, fingerprint)) is not None:
        return done
    run = Run(request, dataset, dataset.stage(request.stage), model, encoding, fingerprint, device, emit)
    run.train()
    return run.publish({"threads": threads, "device": device.type})


def _fingerprint(request: Request, dataset: Dataset, encoding: Encoding) -> str:
    config = request.config.to_mapping()
    plan = {name: value for name, value in config.items() if name not in ("model", "checkpoint_steps", "threads")}
    prefixes = [encoding.query_prefix, encoding.doc_prefix]
    parts = [plan, request.stage, dataset.digest, digest_model(request.model), prefixes]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _finished(request: Request, fingerprint: str) -> dict[str, Any] | None:
    """Return the summary of a finished run of the same plan when resuming; refuse to overwrite anything else."""
    if not request.out.exists():
        return None
    summary = request.out / _SUMMARY
    if request.resume and summary.is_file():
        found: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
        if found.get("fingerprint") == fingerprint:
            return found
    raise RecipeError(f"--out must not exist yet, got {str(request.out)!r}; try another path, or remove it")


class Run:
    """The state of one training run."""

    def __init__(
        self,
        request: Request,
        dataset: Dataset,
        shards: StageShards,
        model: SentenceTransformer,
        encoding: Encoding,
        fingerprint: str,
        device: torch.device,
        emit: Emit,
    ) -> None:
        """Prepare model and optimiser; take up the last checkpoint when resuming."""
        self.request, self.config, self.stage = request, request.config, request.settings
        self.dataset, self.shards, self.model, self.emit = dataset, shards, model, emit
        self.fingerprint = fingerprint
        self.bf16 = uses_bf16(self.config.precision, device)
        self.partial = request.out.with_name(request.out.name + ".partial")
        self.saved_length = _prepare_model(model, self.config, encoding, device)
        self.encoding = encoding
        self.steps = min(self.stage.epochs * len(shards), self.stage.max_steps or math.inf)
        self.optimiser = make_optimiser(model, self.stage)
        self.choice = NegativeChoice(self.stage)
        self.orders: dict[int, list[int]] = {}
        self.position = self._take_up()
        _check_teacher(self.stage, shards)

    def _take_up(self) -> Position:
        if not self.request.resume:
            shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True, exist_ok=True)
        position = load_checkpoint(self.partial, self.model, self.optimiser, self.fingerprint)
        position = position or Position(0, 0.0, {})
        self.choice.chosen = position.memory.get("negatives", {})
        self.examples = _cut_log(self.partial / _LOG, position.step)
        return position

    def train(self) -> None:
        """Take the steps that are left, with a checkpoint every ``checkpoint_steps``."""
        loss = build_loss(self.config, self.stage)
        started = time.monotonic() - self.position.seconds
        with (self.partial / _LOG).open("a", encoding="utf-8") as log:
            for step in range(self.position.step, int(self.steps)):
                number = self._batch_number(step)
                value, norm, examples = self._step(step, number, loss)
                self.examples += examples
                seconds = time.monotonic() - started
                record = {
                    "step": step + 1,
                    "steps": int(self.steps),
                    "loss": round(value, 6),
                    "lr": rate_of(step, int(self.steps), self.stage),
                    "examples": self.examples,
                    "seconds": round(seconds, 3),
                }
                log.write(json.dumps({**record, "batch": number, "grad_norm": round(norm, 6)}) + "\n")
                log.flush()
                self.emit(record)
                if (step + 1) % self.config.checkpoint_steps == 0 and step + 1 < self.steps:
                    here = Position(step + 1, seconds, {"negatives": self.choice.chosen})
                    save_checkpoint(self.partial, self.model, self.optimiser, here, self.fingerprint)

    def _step(self, step: int, number: int, loss: Any) -> tuple[float, float, int]:
        """Take one optimiser step; return loss, gradient norm and examples."""
        if self.choice.is_due(step):
            self.choice.refresh(self.model, list(self._coming(step)), bf16=self.bf16)
        self.model.train()
        examples = self.shards.read(number)
        batch = collate(examples, [self.choice.choose(example) for example in examples])
        try:
            value = backward(
                self.model,
                batch,
                loss,
                mini_batch=self.stage.mini_batch,
                cached=self.stage.gradient_cache,
                bf16=self.bf16,
                seed=f"{self.config.seed}:{self.request.stage}:{step}",
            )
        except torch.OutOfMemoryError as error:
            raise EngineError(
                f"out of GPU memory at step {step + 1} with mini_batch {self.stage.mini_batch}; try a smaller "
                "mini_batch or max_length, gradient_cache: true, or precision: bf16"
            ) from error
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.stage.max_grad_norm or math.inf))
        if not math.isfinite(value) or not math.isfinite(norm):
            raise EngineError(
                f"loss {value}, gradient norm {norm} at step {step + 1} (batch {number}, domain "
                f"{examples[0].domain!r}); try a lower learning_rate, a higher temperature, or precision: fp32"
            )
        for group in self.optimiser.param_groups:
            group["lr"] = rate_of(step, int(self.steps), self.stage)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return value, norm, len(examples)

    def _batch_number(self, step: int) -> int:
        epoch, place = divmod(step, len(self.shards))
        if epoch not in self.orders:
            self.orders = {epoch: self.shards.order(self.config.seed, epoch)}
        return self.orders[epoch][place]

    def _coming(self, step: int) -> Iterator[Example]:
        """Yield the examples of the steps up to the next refresh, each once."""
        last = min(step + self.choice.every, int(self.steps))
        for number in sorted({self._batch_number(at) for at in range(step, last)}):
            yield from self.shards.read(number)

    def publish(self, figures: dict[str, Any]) -> dict[str, Any]:
        """Save the model with its card and its log, and let it appear under its final name."""
        self.model.max_seq_length = self.saved_length
        draft = self.partial / "model"
        shutil.rmtree(draft, ignore_errors=True)
        self.model.save_pretrained(str(draft), create_model_card=False)
        log = [json.loads(line) for line in (self.partial / _LOG).read_text(encoding="utf-8").splitlines()]
        summary = {
            "fingerprint": self.fingerprint,
            "stage": self.request.stage,
            "steps": len(log),
            "examples": log[-1]["examples"],
            "seconds": log[-1]["seconds"],
            "first_loss": log[0]["loss"],
            "last_loss": log[-1]["loss"],
            "dataset": f"{self.dataset.name}@{self.dataset.version}",
            "base": _base_name(Path(self.request.model)),
            "precision": "bf16" if self.bf16 else "fp32",
            "prompts": {QUERY: self.encoding.query_prefix, DOCUMENT: self.encoding.doc_prefix},
            **figures,
            "config": self.config.to_mapping(),
        }
        (draft / _SUMMARY).write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        shutil.copyfile(self.partial / _LOG, draft / _LOG)
        write_card(draft / "README.md", summary, log)
        draft.rename(self.request.out)
        shutil.rmtree(self.partial, ignore_errors=True)
        return summary


def _prepare_model(model: SentenceTransformer, config: TrainConfig, encoding: Encoding, device: torch.device) -> int:
    """Set length, dropout and determinism for training; return the length that the saved model is to read."""
    width = model.get_embedding_dimension() or 0
    if config.dimensions[0] > width:
        raise RecipeError(f"dimensions must be at most the model's {width}, got {config.dimensions[0]}; try [{width}]")
    longest = max(config.max_length, int(model.max_seq_length or 0))
    model.max_seq_length = config.max_length
    if not config.dropout:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            elif isinstance(getattr(module, name := "attention_dropout", None), float):
                setattr(module, name, 0.0)
    if device.type == "cpu":
        make_deterministic()
    return min(longest, encoding.limit or longest)


def _check_teacher(stage: StageConfig, shards: StageShards) -> None:
    """Refuse a loss on teacher scores when the dataset holds none."""
    if not needs_teacher(stage.loss):
        return
    examples = (example for number in range(len(shards)) for example in shards.read(number))
    if not any(example.positive_teacher is not None for example in examples):
        raise RecipeError(f"loss {stage.loss} must have teacher scores, got none in the dataset; try loss: infonce")


def _cut_log(path: Path, step: int) -> int:
    """Drop the records after the checkpoint, whose steps are taken again; return the examples seen so far."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:step] if path.exists() else []
    path.write_text("".join(lines), encoding="utf-8")
    return int(json.loads(lines[-1])["examples"]) if lines else 0


def _base_name(model: Path) -> str:
    """Return the name of the model that everything started from, through earlier stages."""
    summary = model / _SUMMARY
    if summary.is_file():
        return str(json.loads(summary.read_text(encoding="utf-8")).get("base", model.name))
    return model.name
