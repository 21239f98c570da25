"""The label stage: all signals of every candidate, and the scores of a teacher, made from the gold or named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.cache.scores import score_cache
from jobs.cache.teachers import TeacherShelf
from jobs.engines.cross_encoder import OpenScorer
from jobs.engines.trainer import train_teacher
from jobs.engines.vectors import OpenVectors, store_vectors
from jobs.runtime.artefacts import TEACHER
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from jobs.store.files import digest_of, directory_digest
from jobs.store.layout import TEACHERS
from pipeline.contract import spark_schema
from pipeline.ingest.erase import read_erased
from pipeline.judge.measure import measure_signals
from pipeline.judge.trials import hide_positives
from pipeline.label.lessons import choose_exam, choose_lessons, gather_lessons, gather_questions, taught_queries
from pipeline.label.signals import measure_pairs
from pipeline.label.teacher import add_texts, attach_teacher, choose_labelled, choose_measured, score_pairs
from pipeline.ports import Lesson
from pipeline.recipe import Recipe
from schemas.documents import DOCUMENTS
from schemas.encoding import read_encoding
from schemas.errors import RecipeError
from schemas.head import read_head
from schemas.mining import CANDIDATES, EMBEDDINGS, SCORES, TEXT_EMBEDDINGS
from schemas.pairs import POSITIVES, SYNTHETICS


def run(run: Run) -> None:
    """Measure every pair, find or train a teacher, let it score the pairs within the cap, and measure it."""
    cfg, recipe = run.recipe.label, run.recipe
    path = run.artefact(TEACHER)
    signals = _measure_signals(run)
    figures, why = _find_teacher(run, signals, path)
    if why:
        run.note(teacher={**figures, "why": why}, remarks=[f"no teacher: {why}"])
        run.write(signals, SCORES)
        return
    pairs = _add_texts(run, choose_labelled(signals, run.read(POSITIVES), cfg, recipe.seed))
    model = recipe.model_path(cfg.model) if cfg.model else path
    opener = OpenScorer(str(model), cfg.max_length, recipe.encoder.dtype)
    memory = score_cache(run.spark, run.cache_dir, opener)
    run.write(attach_teacher(signals, score_pairs(pairs, opener, memory)), SCORES)
    run.add_seconds("cross_encoder", memory.seconds)
    memory.compact()
    known = f", {memory.asked - memory.computed:,} of them before" if memory.asked > memory.computed else ""
    run.note(
        teacher=figures,
        scores=memory.counts(),
        measured=_measure_teacher(run),
        remarks=[f"the teacher scored {memory.asked:,} pairs{known}"],
    )


def _find_teacher(run: Run, signals: DataFrame, path: Path) -> tuple[dict[str, Any], str | None]:
    """Return the figures of the teacher, and why there is none: not wanted, too little gold, or not worth its time."""
    cfg = run.recipe.label
    if not cfg.enabled:
        return {}, "label.enabled is false"
    if cfg.model:
        return {"model": Path(cfg.model).name}, None
    queries = taught_queries(signals, run.read(POSITIVES), cfg, run.recipe.seed).count()
    if queries < cfg.min_gold:
        asked = f"{queries:,} gold queries to learn from, fewer than label.min_gold ({cfg.min_gold:,})"
        return {"gold": queries}, asked if queries else "no gold to learn from"
    chosen = choose_lessons(signals, run.read(POSITIVES), cfg, run.recipe.seed)
    rows = _add_texts(run, chosen).orderBy("place", "query_id", "positive_id", F.desc("label"), "doc_id").collect()
    if not rows:
        return {"gold": queries}, "no gold query has a negative to learn from"
    with run.time_engine("cross_encoder"):
        figures = _teach(run, list(gather_lessons(rows)), signals, path)
    stopped = figures.get("stopped")
    return {"gold": queries, **figures}, f"{stopped} (label.checks)" if stopped else None


def _teach(run: Run, lessons: list[Lesson], signals: DataFrame, path: Path) -> dict[str, Any]:
    """Put a teacher into ``path``: the kept one while few of its lessons have changed, else a new one."""
    cfg, recipe = run.recipe.label, run.recipe
    made_of = digest_of([cfg.to_mapping(), recipe.seed, digest_base(recipe), read_erased(recipe.erase)])
    shelf = TeacherShelf(run.cache_dir / TEACHERS, recipe.name, made_of)
    if kept := shelf.find(lessons, cfg.refresh):
        shelf.take(kept[0], path)
        return {"lessons": len(lessons), "steps": 0, "changed_lessons": round(kept[1], 4)}
    exam = choose_exam(signals, run.read(POSITIVES), cfg, recipe.seed)
    questions = list(gather_questions(_add_texts(run, exam).orderBy("query_id", "doc_id").collect()))
    figures = train_teacher(
        lessons,
        questions,
        recipe.model_path(cfg.base),
        path,
        cfg,
        recipe.seed,
        scratch=run.scratch,
        log=run.log_dir / "teacher.log",
        progress=run.progress,
    )
    if cfg.refresh and "stopped" not in figures:
        shelf.keep(path, lessons)
    return figures


def _measure_signals(run: Run) -> DataFrame:
    """Return the signals, stored for the run: teaching, choosing and scoring all read them."""
    place = str(run.scratch / "signals")
    vectors = run.scratch / "vectors"
    store_vectors({run.source_of(EMBEDDINGS): "doc_id", run.source_of(TEXT_EMBEDDINGS): "text_id"}, vectors)
    measure_pairs(run.read(CANDIDATES), run.read(POSITIVES), OpenVectors(str(vectors))).write.parquet(place)
    return run.spark.read.schema(spark_schema(SCORES)).parquet(place)


def _add_texts(run: Run, pairs: DataFrame) -> DataFrame:
    return add_texts(pairs, run.read(POSITIVES), run.read(DOCUMENTS), run.read(SYNTHETICS), run.recipe.label)


def _measure_teacher(run: Run) -> dict[str, Any]:
    """Return the AUC of each signal on held-out gold, over the candidates that the teacher scored."""
    cfg, seed, scores, positives = run.recipe.label, run.recipe.seed, run.read_back(SCORES), run.read(POSITIVES)
    asked = positives.join(choose_measured(scores, positives, cfg, seed), "query_id", how="left_semi")
    trials = hide_positives(scores, asked, run.read(EMBEDDINGS), cfg, cfg.measure_queries, seed)
    rows = trials.where("teacher is not null").toPandas()
    is_several = rows["is_several"].astype(bool)
    return {
        kind: measure_signals(part)
        for kind, part in (("one shown, others hidden", rows[is_several]), ("none shown", rows[~is_several]))
        if len(part)
    }


def digest_base(recipe: Recipe) -> Mapping[str, str]:
    """Return the digest of the model that teaches, or that the teacher starts from.

    Raises: RecipeError where there is none, where it reads fewer tokens than the teacher is to read, or where the one
            that teaches as it is has no head that scores pairs.
    """
    cfg = recipe.label
    if not cfg.enabled:
        return {}
    name = "model" if cfg.model else "base"
    path = recipe.model_path(cfg.model or cfg.base)
    if cfg.model:
        read_head(path)
    if faults := read_encoding(path, field="label", name=name).length_faults(cfg.max_length, "label"):
        raise RecipeError(faults)
    return {name: directory_digest(path)}


STAGE = Stage(
    name="label",
    version=5,
    settings=("label",),
    inputs={
        CANDIDATES: "mine",
        TEXT_EMBEDDINGS: "mine",
        POSITIVES: "synthesise",
        SYNTHETICS: "synthesise",
        DOCUMENTS: "guard",
        EMBEDDINGS: "index",
    },
    outputs=(SCORES,),
    artefacts=(TEACHER,),
    run=run,
    external=digest_base,
)

if __name__ == "__main__":
    main(STAGE)
