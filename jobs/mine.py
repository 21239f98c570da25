"""Stage mine: candidates for hard negatives, by every retriever that the recipe asks for."""

from __future__ import annotations

from jobs.cache.vectors import VectorCache
from jobs.engines.encoder import encoder_files, open_encoder
from jobs.retrievers.registry import search_all
from jobs.runtime.artefacts import LUCENE
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.contract import kept
from pipeline.index.encode import embed_texts
from pipeline.mine.candidates import choose_negatives, choose_queries, leave_out_own, mine_candidates
from schemas.documents import DOCUMENTS
from schemas.mining import CANDIDATES, EMBEDDINGS, TEXT_EMBEDDINGS
from schemas.pairs import POSITIVES, SYNTHETICS


def run(run: Run) -> None:
    """Search for every query, and score the synthetic negatives."""
    cfg = run.recipe.mine
    queries = choose_queries(kept(run.read(POSITIVES)), cfg, run.recipe.seed)
    negatives = choose_negatives(kept(run.read(SYNTHETICS)), queries)
    texts = negatives.groupBy("text_id").agg({"text": "min"}).toDF("text_id", "text")
    encoder = open_encoder(run.recipe, run.cache_dir)
    memory = VectorCache(run.spark, run.cache_dir, encoder)
    run.write(embed_texts(queries, texts, encoder, encoder.config, memory), TEXT_EMBEDDINGS)
    run.add_seconds("encoder", memory.seconds)
    memory.compact()
    run.note(vectors=memory.counts())
    vectors = run.read_back(TEXT_EMBEDDINGS)

    hits = list(search_all(run, queries, negatives, vectors))
    run.write(leave_out_own(mine_candidates(hits, cfg), run.read(POSITIVES)), CANDIDATES)
    found = run.read_back(CANDIDATES).groupBy("retriever").count().collect()
    run.note(candidates={row["retriever"]: row["count"] for row in sorted(found)}, skip_ranks=cfg.skip_ranks)


STAGE = Stage(
    name="mine",
    version=4,
    settings=("mine", "encoder"),
    inputs={  # what a retriever may read
        POSITIVES: "synthesise",
        SYNTHETICS: "synthesise",
        DOCUMENTS: "guard",
        EMBEDDINGS: "index",
        LUCENE: "index",
    },
    outputs=(CANDIDATES, TEXT_EMBEDDINGS),
    run=run,
    external=encoder_files,
)

if __name__ == "__main__":
    main(STAGE)
