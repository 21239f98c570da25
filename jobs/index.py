"""Stage index: the kept documents become a Lucene index and a table of embeddings."""

from __future__ import annotations

import time
from collections.abc import Mapping

from jobs.cache import VectorCache
from jobs.engines.encoder import OpenEncoder
from jobs.engines.lucene import build_lucene, in_order
from jobs.entry import main
from jobs.stage_run import StageRun
from jobs.stages import Stage
from jobs.store import directory_digest
from pipeline.contract import kept
from pipeline.mine.ann import embed_documents
from pipeline.recipe import Recipe
from schemas.documents import DOCUMENTS
from schemas.mining import EMBEDDINGS

LUCENE = "lucene"


def run(run: StageRun) -> None:
    """Index and embed the kept documents."""
    documents = kept(run.read(DOCUMENTS))
    encoder = open_encoder(run.recipe)
    started = time.monotonic()
    indexed = build_lucene(in_order(documents), run.artefact(LUCENE), run.recipe.index)
    lucene_seconds = time.monotonic() - started
    run.progress(indexed, indexed, "documents indexed")
    memory = VectorCache(run.spark, run.cache_dir, encoder)
    run.write(embed_documents(documents, encoder, run.recipe.encoder, memory), EMBEDDINGS)
    run.spent("encoder", memory.seconds)
    memory.compact()
    run.note(vectors=memory.counts(), documents=indexed, language=run.recipe.index.language,
             lucene_seconds=round(lucene_seconds, 2))


def open_encoder(recipe: Recipe) -> OpenEncoder:
    """Return the factory of the recipe's encoder. Raises: RecipeError when its model is not there."""
    path = recipe.model_path(recipe.encoder.model)
    return OpenEncoder(str(path), recipe.encoder, directory_digest(path))


def encoder_files(recipe: Recipe) -> Mapping[str, str]:
    """Return the digest of the encoder's files: other weights are another build."""
    return {"encoder": directory_digest(recipe.model_path(recipe.encoder.model))}


STAGE = Stage(
    name="index", version=1, settings=("index", "encoder"), inputs={DOCUMENTS: "guard"}, outputs=(EMBEDDINGS,),
    artefacts=(LUCENE,), run=run, external=encoder_files,
)

if __name__ == "__main__":
    main(STAGE)
