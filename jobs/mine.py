"""Stage mine: candidates for hard negatives, by BM25, by the embedding model, and those that an LLM wrote."""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.cache.vectors import VectorCache
from jobs.engines.encoder import encoder_files, open_encoder
from jobs.engines.faiss import OpenFaiss, build_vectors
from jobs.engines.lucene import search_bm25
from jobs.runtime.artefacts import LUCENE
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.contract import kept
from pipeline.index.encode import embed_texts
from pipeline.mine.candidates import choose_negatives, choose_queries, leave_out_own, mine_candidates, score_negatives
from pipeline.search.dense import retrieve_nearest
from schemas.mining import ANN, BM25, CANDIDATES, EMBEDDINGS, SYNTHETIC, TEXT_EMBEDDINGS
from schemas.pairs import POSITIVES, SYNTHETICS


def run(run: Run) -> None:
    """Search for every query, and score the synthetic negatives."""
    cfg = run.recipe.mine
    queries = choose_queries(kept(run.read(POSITIVES)), cfg, run.recipe.seed)
    negatives = choose_negatives(kept(run.read(SYNTHETICS)), queries)
    texts = negatives.groupBy("text_id").agg({"text": "min"}).toDF("text_id", "text")
    encoder = open_encoder(run.recipe)
    memory = VectorCache(run.spark, run.cache_dir, encoder)
    run.write(embed_texts(queries, texts, encoder, encoder.config, memory), TEXT_EMBEDDINGS)
    run.add_seconds("encoder", memory.seconds)
    memory.compact()
    run.note(vectors=memory.counts())
    vectors = run.read_back(TEXT_EMBEDDINGS)

    hits: list[tuple[str, DataFrame]] = [(SYNTHETIC, score_negatives(negatives, vectors))]
    if BM25 in cfg.retrievers:
        hits.append((BM25, search_bm25(queries, run.source_of(LUCENE), cfg.depth_bm25 + cfg.skip_ranks)))
    if ANN in cfg.retrievers:
        build_vectors(run.source_of(EMBEDDINGS), run.scratch / "vectors", cfg.factory)
        opener = OpenFaiss(str(run.scratch / "vectors"))
        named = vectors.withColumnRenamed("text_id", "query_id")
        asked = named.join(queries.select("query_id"), "query_id", how="left_semi")
        hits.append((ANN, retrieve_nearest(asked, opener, cfg.depth_ann + cfg.skip_ranks)))
    run.write(leave_out_own(mine_candidates(hits, cfg), run.read(POSITIVES)), CANDIDATES)
    found = run.read_back(CANDIDATES).groupBy("retriever").count().collect()
    run.note(candidates={row["retriever"]: row["count"] for row in sorted(found)}, skip_ranks=cfg.skip_ranks)


STAGE = Stage(
    name="mine",
    version=2,
    settings=("mine", "encoder"),
    inputs={POSITIVES: "synthesise", SYNTHETICS: "synthesise", EMBEDDINGS: "index", LUCENE: "index"},
    outputs=(CANDIDATES, TEXT_EMBEDDINGS),
    run=run,
    external=encoder_files,
)

if __name__ == "__main__":
    main(STAGE)
