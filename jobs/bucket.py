"""The bucket stage: documents -> domains, and what was guessed where no source says one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.cache.vectors import VectorCache
from jobs.engines.encoder import encoder_files, open_encoder
from jobs.engines.kmeans import FindCentres
from jobs.runtime import artefacts
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.bucket.classifier import believe_guesses, draw_lessons, guess_domains, train_classifier
from pipeline.bucket.clusters import count_clusters, draw_vectors, join_clusters, name_clusters
from pipeline.bucket.config import CLASSIFIER, CLUSTER, SOURCE
from pipeline.bucket.taxonomy import assign_domains, stated_domains
from pipeline.contract import kept
from pipeline.index.encode import encode_texts
from pipeline.recipe import Recipe
from schemas.documents import DOCUMENTS, DOMAINS, GUESSES
from schemas.errors import RecipeError


def run(run: Run) -> None:
    """Give every kept document its domain by the rule of the recipe, and note the sizes."""
    tell: Mapping[str, Callable[[Run, DataFrame], tuple[DataFrame, str]]] = {
        SOURCE: lambda _, documents: (stated_domains(documents), ""),
        CLASSIFIER: _classify,
        CLUSTER: _cluster,
    }
    cfg = run.recipe.bucket
    paths, how = tell[cfg.rule](run, run.read(DOCUMENTS))
    run.write(assign_domains(paths, cfg), DOMAINS)
    sizes = run.read_back(DOMAINS).groupBy("domain").count().orderBy(F.desc("count"), "domain").collect()
    named = {row["domain"]: row["count"] for row in sizes}
    word = "domain" if len(named) == 1 else "domains"
    headline = f"{sum(named.values()):,} documents in {len(named)} {word}"
    run.note(domains=named, headline=f"{headline} ({how})" if how else headline)
    if cfg.rule == SOURCE:
        told = [row.path or "" for row in paths.select("path").distinct().collect()]
        joined = [path for path in told if path and path not in named and path.count("/") < cfg.depth]
        if joined:
            are = "domain was" if len(joined) == 1 else "domains were"
            run.remark(f"{len(joined):,} {are} too small and joined others (bucket.min_size {cfg.min_size:,})")


def _classify(run: Run, documents: DataFrame) -> tuple[DataFrame, str]:
    """Learn from the documents whose source says a domain, guess that of the others, and say how that went."""
    cfg, seed = run.recipe.bucket, run.recipe.seed
    named = [source.name for source in run.recipe.sources if source.domain]
    lessons = draw_lessons(documents, named, cfg, seed).toArrow()
    model, figures = train_classifier(lessons, cfg.classifier, seed)
    folder = run.artefact(artefacts.CLASSIFIER)
    model.save(folder)
    guessed = int(run.write(guess_domains(documents, named, folder, cfg.classifier), GUESSES)["rows"])
    believed = run.read_back(GUESSES).where(F.col("confidence") >= cfg.classifier.min_confidence).count()
    run.note(classifier={**figures, "guessed": guessed, "guesses_believed": believed})
    how = f"{guessed:,} guessed, {believed:,} of these believed; macro-F1 {figures['macro_f1']:.3f} held out"
    return believe_guesses(documents, named, run.read_back(GUESSES), cfg), how


def _cluster(run: Run, documents: DataFrame) -> tuple[DataFrame, str]:
    """Embed the documents, find clusters, name them and say how many there are."""
    cfg, encoder = run.recipe.bucket, open_encoder(run.recipe, run.cache_dir)
    memory = VectorCache(run.spark, run.cache_dir, encoder)
    texts = kept(documents)
    vectors = encode_texts(texts, "doc_id", "text", encoder, encoder.config.doc_prefix or "", memory)
    find = FindCentres(cfg.cluster.rounds, cfg.cluster.seed)
    lessons = draw_vectors(documents, vectors, cfg.cluster).toArrow()
    clusters = count_clusters(texts.count(), cfg)
    if not lessons.num_rows:
        raise RecipeError("bucket.rule cluster must have documents to part, got none that is kept; try the report")
    centres, paths = name_clusters(lessons, clusters, cfg, find)
    run.write(join_clusters(vectors, centres, paths), GUESSES)
    run.note(clusters=sorted(paths), vectors=memory.counts())
    memory.compact()
    guessed = texts.select("doc_id", "source").join(run.read_back(GUESSES), "doc_id", how="inner")
    return guessed.select("doc_id", "source", F.col("guess").alias("path")), f"of {len(paths)} clusters"


def _encoder(recipe: Recipe) -> Mapping[str, str]:
    return encoder_files(recipe) if recipe.bucket.rule == CLUSTER else {}


def _encoder_settings(recipe: Recipe) -> Mapping[str, Any]:
    return {"encoder settings": recipe.section("encoder")} if recipe.bucket.rule == CLUSTER else {}


STAGE = Stage(
    name="bucket",
    version=2,
    settings=("bucket",),
    inputs={DOCUMENTS: "guard"},
    outputs=(DOMAINS,),
    run=run,
    external=_encoder,
    conditional_settings=_encoder_settings,
    conditional_sections=("encoder",),
)

if __name__ == "__main__":
    main(STAGE)
