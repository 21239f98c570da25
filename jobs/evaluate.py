"""Measure BM25, the base model and the model after each stage on the dataset's evaluation sets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.engines.lucene import LuceneBm25, build_lucene
from jobs.engines.trainer import prefixes_of, run_trainer
from jobs.release.versions import find_dataset
from jobs.runtime.artefacts import EVALUATION, MODEL
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from jobs.store.files import write_json
from schemas.errors import RecipeError

FEW_QUERIES = 50  # below, a query decides two hundredths of a mean


def run(run: Run) -> None:
    """Write evaluation.json, and note the table that the terminal and the report show."""
    sets = find_dataset(run) / "eval"
    if not any(sets.glob("*/queries.jsonl")):
        raise RecipeError(
            "evaluation must have a set to measure on, got none; try holdout.fraction or `evaluation` in the recipe"
        )
    settings, bm25 = run.scratch / "evaluate.json", run.scratch / "bm25.trec"
    write_json(settings, run.recipe.evaluate.to_mapping())
    write_run(run, sets, bm25)
    base = run.recipe.model_path(run.recipe.train.model)
    models = {"base": base, "stage1": _model_of(run, "train1"), "stage2": _model_of(run, "train2")}
    out = run.artefact(EVALUATION) / "evaluation.json"
    cuts = ",".join(str(each) for each in run.recipe.train.dimensions)
    said = run_trainer(
        [
            "evaluate",
            "--eval",
            str(sets),
            *(f"--model={name}={path}" for name, path in models.items()),
            f"--run=BM25={bm25}",
            "--baseline",
            "base",
            "--dimensions",
            f"stage2={cuts}",
            "--max-length",
            str(run.recipe.train.max_length),
            "--config",
            str(settings),
            "--out",
            str(out),
            *prefixes_of(run.recipe),
        ],
        run.log_dir / "evaluate.log",
        lambda _: None,
    )
    for home in sorted(path.parent for path in sets.glob("*/queries.jsonl")):
        if (queries := sum(1 for _ in _records(home / "queries.jsonl"))) < FEW_QUERIES:
            run.remark(f"{queries} queries of {home.name} cannot tell models apart: {FEW_QUERIES} and more do")
    run.note(table=said.splitlines(), headline=_headline(json.loads(out.read_text(encoding="utf-8"))))


def _model_of(run: Run, stage: str) -> Path:
    return run.open_output(stage, MODEL)


def write_run(run: Run, sets: Path, out: Path) -> None:
    """Write the BM25 hits of every evaluation set as one TREC run, searched in an index of that set's corpus."""
    with out.open("w", encoding="utf-8") as lines:
        for home in sorted(path.parent for path in sets.glob("*/queries.jsonl")):
            corpus = sorted(
                (row["_id"], f"{row.get('title') or ''} {row['text']}".strip())
                for row in _records(home / "corpus.jsonl")
            )
            folder = run.scratch / f"lucene-{home.name}"
            folder.mkdir()
            build_lucene(corpus, folder, run.recipe.index)
            queries = [(row["_id"], row["text"]) for row in _records(home / "queries.jsonl")]
            with LuceneBm25(folder) as searcher:
                # One hit more than counts: the query itself may be among them, and is left out.
                found = searcher.search([text for _, text in queries], run.recipe.evaluate.depth + 1)
            for (query_id, _), hits in zip(queries, found, strict=True):
                lines.writelines(f"{query_id} Q0 {hit.doc_id} {hit.rank} {hit.score:.6f} BM25\n" for hit in hits)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _headline(result: dict[str, Any]) -> str:
    """Return nDCG@10 of the base and the final model, and the interval of their difference, per set."""
    texts = []
    for row in result["differences"]:
        if (row["system"], row["domain"], row["metric"]) == ("stage2", "all", "ndcg@10"):
            base = result["systems"]["base"][row["eval"]]["all"]["ndcg@10"]
            texts.append(
                f"{row['eval']} nDCG@10 {base:.4f} -> {base + row['difference']:.4f} "
                f"({row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}])"
            )
    return "; ".join(texts)


STAGE = Stage(
    name="evaluate",
    version=2,
    settings=("evaluate", "train", "index"),
    inputs={"dataset": "publish", "stage1": "train1", "stage2": "train2"},
    artefacts=(EVALUATION,),
    run=run,
    needs_spark=False,
)

if __name__ == "__main__":
    main(STAGE)
