"""Train a published dataset's two stages: contrastive pre-training on pairs, then fine-tuning with hard negatives."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.engines.trainer import prefixes_of, run_trainer
from jobs.release.versions import find_dataset
from jobs.runtime.artefacts import MODEL
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from jobs.runtime.stage_line import count_text
from jobs.store.files import directory_digest, write_json
from jobs.store.layout import TRAINING, VERSION_MANIFEST, cache_folder
from pipeline.recipe import Recipe
from schemas.encoding import read_encoding


def run(run: Run) -> None:
    """Train one stage, stage 1 from the base model and stage 2 from the model of stage 1."""
    number = next(each for each, stage in STAGES.items() if stage.name == run.stage.name)
    start = run.recipe.model_path(run.recipe.train.model) if number == 1 else run.source_of(MODEL)
    out = run.artefact(MODEL)
    config = getattr(run.recipe.train, f"stage{number}")
    why = "epochs: 0" if config.epochs == 0 else None if _has_batches(run, number) else "the dataset has no batch of it"
    if why:
        shutil.copytree(start, out, dirs_exist_ok=True)
        run.note(headline=f"skipped ({why})")
        return
    _train(run, number, start, out)


def _has_batches(run: Run, number: int) -> bool:
    """Say whether the dataset has batches of a stage: of a corpus where nothing was mined, stage 2 has none."""
    files = json.loads((find_dataset(run) / VERSION_MANIFEST).read_text(encoding="utf-8"))["files"]
    return any(file["path"].startswith(f"stage{number}/") and file["rows"] for file in files)


def _train(run: Run, number: int, start: Path, out: Path) -> None:
    settings = run.scratch / "train.json"
    write_json(settings, run.recipe.train.to_mapping())
    # Kept outside the stage's own folder, so that a killed training goes on at its last checkpoint.
    work = cache_folder(run.workspace_dir, TRAINING, run.fingerprint_of(run.stage.name))
    last: dict[str, Any] = {}

    def show(record: dict[str, Any]) -> None:
        if "step" in record:
            last.update(record)
            run.progress(int(record["step"]), int(record["steps"]), "steps")

    work.parent.mkdir(parents=True, exist_ok=True)
    run_trainer(
        [
            "train",
            "--dataset",
            str(find_dataset(run)),
            "--stage",
            str(number),
            "--model",
            str(start),
            "--config",
            str(settings),
            "--out",
            str(work),
            "--resume",
            *prefixes_of(run.recipe),
        ],
        run.log_dir / f"{run.stage.name}.log",
        show,
    )
    out.rmdir()
    work.replace(out)
    steps, examples = (int(last.get(name, 0)) for name in ("steps", "examples"))
    loss = last.get("loss", float("nan"))
    run.note(
        headline=f"{count_text(steps, 'steps')}, {count_text(examples, 'examples')}, loss {loss:.4f}",
        steps=steps,
        examples=examples,
    )


def _base_model(recipe: Recipe) -> Mapping[str, str]:
    """Return the digest of the base model. Raises: RecipeError, before any stage runs, when it cannot be trained so."""
    path = recipe.model_path(recipe.train.model)
    read_encoding(path, recipe.encoder.query_prefix, recipe.encoder.doc_prefix, field="train").check(
        recipe.train.max_length, field="train"
    )
    return {"model": directory_digest(path)}


STAGE_1 = Stage(
    name="train1",
    version=2,
    settings=("train",),
    inputs={"dataset": "publish"},
    artefacts=(MODEL,),
    run=run,
    external=_base_model,
    needs_spark=False,
)
STAGE_2 = Stage(
    name="train2",
    version=2,
    settings=("train",),
    inputs={"dataset": "publish", MODEL: "train1"},
    artefacts=(MODEL,),
    run=run,
    needs_spark=False,
)
STAGES = {1: STAGE_1, 2: STAGE_2}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--stage", type=int, choices=STAGES, default=1)
    chosen, rest = parser.parse_known_args()
    main(STAGES[chosen.stage], rest)
