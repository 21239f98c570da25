"""The dedupe stage: documents -> duplicates, and documents kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame

from jobs.cache.vectors import VectorCache
from jobs.engines.dense import build_search
from jobs.engines.encoder import encoder_files, open_encoder
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.contract import frame_of, kept
from pipeline.dedupe.judged import mark_judged
from pipeline.dedupe.semantic import find_alike, with_alike
from pipeline.dedupe.signatures import sign_as_datasketch
from pipeline.dedupe.spans import cut_repeats, find_repeats
from pipeline.dedupe.survivors import drop_duplicates, find_duplicates
from pipeline.index.encode import embed_documents
from pipeline.plans import cut_lineage
from pipeline.recipe import Recipe
from schemas.documents import DOCUMENTS, DUPLICATES, JUDGEMENTS, REPEATS, SIGNATURES
from schemas.mining import EMBEDDINGS


def run(run: Run) -> None:
    """Map every duplicate to its survivor and mark it; then cut what the others repeat."""
    cfg = run.recipe.dedupe
    documents = run.read(DOCUMENTS)
    duplicates = find_duplicates(documents, run.read(JUDGEMENTS), cfg)
    if cfg.semantic is not None:
        duplicates = _with_alike(run, documents, cut_lineage(duplicates))
    run.write(duplicates, DUPLICATES)
    documents = drop_duplicates(documents, run.read_back(DUPLICATES))
    if cfg.spans is None:
        run.write(frame_of(run.spark, REPEATS, []), REPEATS)
    else:
        run.write(find_repeats(documents, cfg), REPEATS)
        documents = cut_repeats(documents, run.read_back(REPEATS), cfg)
    run.write(documents, DOCUMENTS)
    kept_documents = run.read_back(DOCUMENTS) if cfg.signatures else frame_of(run.spark, DOCUMENTS, [])
    run.write(sign_as_datasketch(kept_documents, cfg), SIGNATURES)
    if cfg.near:
        banding = cfg.banding
        run.note(
            lsh={
                "threshold": cfg.threshold,
                "ngram": cfg.ngram,
                "bands": banding.bands,
                "rows": banding.rows,
                "collision": banding.curve(),
                "collision_at_threshold": round(banding.collision(cfg.threshold), 6),
            }
        )


def _with_alike(run: Run, documents: DataFrame, duplicates: DataFrame) -> DataFrame:
    """Return the duplicates and those among the rest that say the same; the vectors are cached for later stages."""
    left = kept(documents).join(duplicates.select("doc_id"), "doc_id", how="left_anti")
    encoder = open_encoder(run.recipe, run.cache_dir)
    memory = VectorCache(run.spark, run.cache_dir, encoder)
    place = run.scratch / EMBEDDINGS.name
    embed_documents(left, encoder, encoder.config, memory).write.parquet(str(place))
    run.add_seconds("encoder", memory.seconds)
    run.note(vectors=memory.counts())
    memory.compact()
    vectors = run.spark.read.parquet(str(place))
    asked, counts = vectors.withColumnRenamed("doc_id", "query_id"), (vectors.count(),) * 2
    depth, cfg = run.recipe.dedupe.neighbours + 1, run.recipe.mine
    search = build_search(vectors, asked, counts, depth, cfg, run.recipe.seed, run.scratch / "vectors")
    run.note(search=search.figures)
    judged = mark_judged(left, run.read(JUDGEMENTS), kept(documents)).select("doc_id", "judged")
    alike = cut_lineage(find_alike(left, judged, vectors, search.opener, run.recipe.dedupe))
    return with_alike(duplicates, alike)


def _encoder(recipe: Recipe) -> Mapping[str, str]:
    return {} if recipe.dedupe.semantic is None else encoder_files(recipe)


def _encoder_settings(recipe: Recipe) -> Mapping[str, Any]:
    """Return the settings that decide which texts say the same: nothing, where that is not asked for."""
    if recipe.dedupe.semantic is None:
        return {}
    return {"settings of the encoder": [recipe.section("encoder"), recipe.mine.factory, recipe.mine.least_recall]}


STAGE = Stage(
    name="dedupe",
    version=3,
    settings=("dedupe",),
    inputs={DOCUMENTS: "ingest", JUDGEMENTS: "ingest"},
    outputs=(DUPLICATES, REPEATS, DOCUMENTS, SIGNATURES),
    run=run,
    external=_encoder,
    conditional_settings=_encoder_settings,
    conditional_sections=("encoder", "mine"),
    says_none=(DUPLICATES,),
)

if __name__ == "__main__":
    main(STAGE)
