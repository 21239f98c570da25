"""Publish a dataset version: write, audit, swap.

A version is named by the digest of its contents, so publishing the same content again changes nothing.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.engines.encoder import encoder_files
from jobs.release.audit import audit_dataset
from jobs.release.croissant import write_croissant
from jobs.release.dataset_card import write_card
from jobs.release.history import current_version
from jobs.release.manifest import describe_recipe, describe_version
from jobs.release.shards import write_eval_sets, write_shards
from jobs.release.versions import finish_publishing, put_version
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from jobs.store.files import write_json
from jobs.store.layout import CARD, CROISSANT, DATASET, DOCS, POINTER, VERSION_MANIFEST, dataset_folder
from pipeline.compare.drift import Drift, find_drift
from schemas.documents import DOCUMENTS, EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES, JUDGEMENTS
from schemas.mining import VERDICTS
from schemas.pairs import REPLIES
from schemas.shards import EXAMPLES


def run(run: Run) -> None:
    """Write the files, audit them, and put them in place as a version; ``finish`` makes it the current one."""
    home = dataset_folder(run.workspace_dir, run.recipe.name)
    partial = home / f".partial-{run.fingerprint_of('publish')}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        examples = run.read(EXAMPLES)
        shards = write_shards(examples, partial)
        evals = write_eval_sets(
            run.read(EVAL_CORPUS),
            run.read(EVAL_QUERIES),
            run.read(EVAL_QRELS),
            run.read(DOCUMENTS),
            run.read(JUDGEMENTS),
            partial,
        )
        rows = {stage: _rows_of(shards, stage) for stage in (1, 2)}
        homogeneous = {stage: run.recipe.assemble.is_homogeneous(stage) for stage in (1, 2)}
        manifest = describe_version(run, examples, shards, evals)
        drift = _drift(run, home, manifest)
        started = time.monotonic()
        held = audit_dataset(run.spark, partial, rows, homogeneous, drift, run.recipe.audit, run.log_dir / DOCS)
        run.note(expectations=held, audit_seconds=round(time.monotonic() - started, 2))
        write_json(partial / VERSION_MANIFEST, manifest)
        write_card(partial / CARD, manifest)
        write_croissant(partial / CROISSANT, manifest)
        put_version(partial, home, manifest["version"])
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    write_json(run.artefact(DATASET) / POINTER, {"name": run.recipe.name, "version": manifest["version"]})
    run.note(
        headline=f"{run.recipe.name}@{manifest['version']}, {held} expectations held",
        version=manifest["version"],
        rows={f"stage{stage}": count for stage, count in rows.items()},
    )


def _rows_of(shards: list[dict[str, Any]], stage: int) -> int:
    return sum(int(file["rows"]) for file in shards if file["path"].startswith(f"stage{stage}/"))


def _drift(run: Run, home: Path, manifest: Mapping[str, Any]) -> list[Drift]:
    """Compare with the current version, and note why when there is nothing to compare with."""
    current, cfg = current_version(home), run.recipe.audit
    if current is None or not cfg.compare:
        run.note(baseline="the first version has none" if current is None else "audit.compare is false")
        return []
    try:
        before = json.loads((home / current / VERSION_MANIFEST).read_text(encoding="utf-8"))
        found = find_drift(before, manifest, cfg)
    except (OSError, ValueError, KeyError) as error:
        run.note(baseline=f"{current} cannot be compared with ({type(error).__name__}: {error})")
        return []
    run.note(baseline=current)
    return found


STAGE = Stage(
    name="publish",
    version=3,
    settings=("name",),
    inputs={
        EXAMPLES: "assemble",
        DOCUMENTS: "guard",
        VERDICTS: "judge",
        REPLIES: "synthesise",
        EVAL_CORPUS: "holdout",
        EVAL_QUERIES: "holdout",
        EVAL_QRELS: "holdout",
        JUDGEMENTS: "ingest",
    },
    artefacts=(DATASET,),
    run=run,
    finish=finish_publishing,
    external=encoder_files,
    conditional_settings=lambda recipe: {"(recipe)": describe_recipe(recipe)},  # the manifest has all of it
    is_resumable=False,
)

if __name__ == "__main__":
    main(STAGE)
