"""Stage index: the kept documents become a Lucene index and a table of embeddings."""

from __future__ import annotations

import time

from jobs.cache.vectors import VectorCache
from jobs.engines.encoder import encoder_files, open_encoder
from jobs.engines.lucene import build_lucene, in_order
from jobs.runtime.artefacts import LUCENE
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.contract import kept
from pipeline.index.encode import embed_documents
from schemas.documents import DOCUMENTS
from schemas.mining import EMBEDDINGS


def run(run: Run) -> None:
    """Index and embed the kept documents."""
    documents = kept(run.read(DOCUMENTS))
    encoder = open_encoder(run.recipe)
    started = time.monotonic()
    indexed = build_lucene(in_order(documents), run.artefact(LUCENE), run.recipe.index)
    lucene_seconds = time.monotonic() - started
    run.progress(indexed, indexed, "documents indexed")
    memory = VectorCache(run.spark, run.cache_dir, encoder)
    run.write(embed_documents(documents, encoder, encoder.config, memory), EMBEDDINGS)
    run.add_seconds("encoder", memory.seconds)
    memory.compact()
    run.note(
        vectors=memory.counts(),
        documents=indexed,
        language=run.recipe.index.language,
        lucene_seconds=round(lucene_seconds, 2),
    )


STAGE = Stage(
    name="index",
    version=1,
    settings=("index", "encoder"),
    inputs={DOCUMENTS: "guard"},
    outputs=(EMBEDDINGS,),
    artefacts=(LUCENE,),
    run=run,
    external=encoder_files,
)

if __name__ == "__main__":
    main(STAGE)
