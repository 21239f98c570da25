"""Stage index: the kept documents become a Lucene index and a table of embeddings."""

from __future__ import annotations

import time

from pyspark.sql import DataFrame

from jobs.cache.vectors import VectorCache
from jobs.engines.encoder import encoder_files, open_encoder
from jobs.engines.lucene_shards import index_documents
from jobs.runtime.artefacts import LUCENE
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.contract import kept
from pipeline.index.analyser import find_foreign, sample_texts
from pipeline.index.encode import embed_documents
from schemas.documents import DOCUMENTS
from schemas.errors import RecipeError
from schemas.mining import EMBEDDINGS


def run(run: Run) -> None:
    """Index and embed the kept documents."""
    documents = kept(run.read(DOCUMENTS))
    encoder = open_encoder(run.recipe, run.cache_dir)
    started = time.monotonic()
    count = documents.count()
    _check_language(run, documents)
    indexed = index_documents(documents, count, run.artefact(LUCENE), run.scratch / "lucene", run.recipe.index)
    lucene_seconds = time.monotonic() - started
    run.progress(indexed, indexed, "documents indexed")
    memory = VectorCache(run.spark, run.cache_dir, encoder)
    run.write(embed_documents(documents, encoder, encoder.config, memory), EMBEDDINGS)
    run.add_seconds("encoder", memory.seconds)
    memory.compact()
    run.note(
        vectors=memory.counts(),
        backend=encoder.backend(),
        documents=indexed,
        language=run.recipe.index.language,
        lucene_seconds=round(lucene_seconds, 2),
    )


def _check_language(run: Run, documents: DataFrame) -> None:
    """Refuse documents in another language than the index, where it could be in theirs. Raises: RecipeError."""
    cfg = run.recipe.index
    if cfg.max_foreign >= 1:
        return
    texts = [row.text for row in sample_texts(documents, run.recipe.seed).collect()]
    foreign = find_foreign(texts, cfg)
    if foreign and foreign.has_analyser:
        raise RecipeError(foreign.fault(cfg))
    if foreign:
        run.remark(
            f"{foreign.share:.0%} of {foreign.documents} documents looked at are in a language without an analyser "
            f"({foreign.language}): words are cut as in {cfg.language}"
        )


STAGE = Stage(
    name="index",
    version=2,
    settings=("index", "encoder"),
    inputs={DOCUMENTS: "guard"},
    outputs=(EMBEDDINGS,),
    artefacts=(LUCENE,),
    run=run,
    external=encoder_files,
)

if __name__ == "__main__":
    main(STAGE)
