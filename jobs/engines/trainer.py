"""Starts the trainer as a process: a box that trains needs no Java, a cluster that builds no training stack."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs.store.files import write_json
from pipeline.ports import Lesson, Question
from pipeline.recipe import Recipe
from schemas.errors import EngineError, RecipeError
from schemas.training import TeachConfig

_OUT_OF_MEMORY = -9


def run_trainer(arguments: Sequence[str], log: Path, on_record: Callable[[dict[str, Any]], None]) -> str:
    """Run the trainer, hand over each JSON line that it prints, and return what it wrote to stderr.

    Raises: EngineError with the trainer's own last line when it fails.
    """
    with log.open("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(  # our own interpreter and module; no shell
            [sys.executable, "-m", "trainer", *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            for line in process.stdout or ():
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # a library that prints to stdout
                on_record(record)
            status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        errors.seek(0)
        said = errors.read()
    if status == _OUT_OF_MEMORY:
        raise EngineError(
            f"the trainer was killed, most likely for lack of memory; try a smaller mini_batch (log: {log})"
        )
    if status:
        last = next((line for line in reversed(said.splitlines()) if line.strip()), f"exit status {status}")
        raise EngineError(f"{last.removeprefix('error: ')} (log: {log})")
    return said


def prefixes_of(recipe: Recipe) -> list[str]:
    """Return the arguments that put the same words before texts as mining does: none where the model's own go."""
    given = {"query": recipe.encoder.query_prefix, "doc": recipe.encoder.doc_prefix}
    return [f"--{name}-prefix={prefix}" for name, prefix in given.items() if prefix is not None]


def train_teacher(
    lessons: Sequence[Lesson],
    questions: Sequence[Question],
    base: Path,
    out: Path,
    config: TeachConfig,
    seed: int,
    *,
    scratch: Path,
    log: Path,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> dict[str, Any]:
    """Let the trainer make a cross-encoder of the lessons in the empty folder ``out``; return its figures.

    Where the questions ended the training, ``stopped`` says why and ``out`` stays empty.
    Raises: RecipeError when ``base`` is no model directory; EngineError when there is nothing to learn.
    """
    if not lessons:
        raise EngineError("teacher must have lessons, got none; try label.enabled: false or more gold pairs")
    if not (base / "config.json").is_file():
        raise RecipeError(f"label.base must be a model directory, got {base}; try all-MiniLM-L6-v2 or a full path")
    taught, asked, settings = scratch / "lessons.jsonl", scratch / "exam.jsonl", scratch / "teach.json"
    for path, records in ((taught, lessons), (asked, questions)):
        with path.open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(asdict(each)) + "\n" for each in records)
    write_json(settings, TeachConfig(**{name: getattr(config, name) for name in TeachConfig.model_fields}).to_mapping())
    figures: dict[str, Any] = {}

    def show(record: dict[str, Any]) -> None:
        if "step" in record:
            progress(int(record["step"]), int(record["steps"]), "steps")
        figures.update(record.get("done", {}))

    out.rmdir()
    files = [f"--lessons={taught}", f"--exam={asked}", f"--config={settings}"]
    run_trainer(["teach", *files, f"--model={base}", f"--seed={seed}", f"--out={out}"], log, show)
    out.mkdir(exist_ok=True)
    return figures
