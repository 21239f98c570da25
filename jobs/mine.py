"""Stage mine: candidates for hard negatives, by BM25, by the embedding model, and those that an LLM wrote."""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.cache.vectors import VectorCache
from jobs.engines.dense import build_search
from jobs.engines.encoder import encoder_files, open_encoder
from jobs.engines.lucene import search_bm25
from jobs.runtime.artefacts import LUCENE
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.contract import kept
from pipeline.index.encode import embed_texts
from pipeline.mine.candidates import choose_negatives, choose_queries, leave_out_own, mine_candidates, score_negatives
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
        hits.append((ANN, _search_nearest(run, queries, vectors)))
    run.write(leave_out_own(mine_candidates(hits, cfg), run.read(POSITIVES)), CANDIDATES)
    found = run.read_back(CANDIDATES).groupBy("retriever").count().collect()
    run.note(candidates={row["retriever"]: row["count"] for row in sorted(found)}, skip_ranks=cfg.skip_ranks)


def _search_nearest(run: Run, queries: DataFrame, vectors: DataFrame) -> DataFrame:
    """Return the nearest documents of every query by the encoder, and say how they were searched."""
    cfg, documents = run.recipe.mine, run.read(EMBEDDINGS)
    named = vectors.withColumnRenamed("text_id", "query_id")
    asked = named.join(queries.select("query_id"), "query_id", how="left_semi")
    counts, depth = (documents.count(), asked.count()), cfg.depth_ann + cfg.skip_ranks
    search = build_search(documents, asked, counts, depth, cfg, run.recipe.seed, run.scratch / "vectors")
    run.note(search=search.figures)
    if remark := search.remark():
        run.remark(remark)
    return search.find(asked, depth)


STAGE = Stage(
    name="mine",
    version=3,
    settings=("mine", "encoder"),
    inputs={POSITIVES: "synthesise", SYNTHETICS: "synthesise", EMBEDDINGS: "index", LUCENE: "index"},
    outputs=(CANDIDATES, TEXT_EMBEDDINGS),
    run=run,
    external=encoder_files,
)

if __name__ == "__main__":
    main(STAGE)
