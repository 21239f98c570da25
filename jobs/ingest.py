"""The ingest stage: sources -> documents, judgements and rejects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.storagelevel import StorageLevel

from jobs.engines.tokenizer import OpenCounter, tokenizer_digest
from jobs.entry import main
from jobs.stage_run import StageRun
from jobs.stages import Stage
from jobs.store import digest_of
from pipeline.ingest.erase import erase_documents, erase_judgements, id_frame, name_relatives, read_erased
from pipeline.ingest.passages import cut_documents, list_passages, put_passages
from pipeline.ingest.sources import PYDOCS, SourceConfig, digest_source
from pipeline.ingest.tables import (
    name_targets,
    read_records,
    select_annotations,
    select_documents,
    select_judgements,
    select_rejects,
)
from pipeline.ingest.units import plan_units, unit_frame
from pipeline.ingest.yields import check_yields, count_yields
from pipeline.recipe import Recipe
from schemas.documents import ANNOTATIONS, DOCUMENTS, JUDGEMENTS, PASSAGES, REJECTS


def run(run: StageRun) -> None:
    """Read every source once, part what came of it, and refuse a source that gave nothing."""
    sources, seed, erased = run.recipe.sources, run.recipe.seed, read_erased(run.recipe.erase)
    units = plan_units(sources)
    # Four outputs share one reading, and reading is the dear part; the disk holds it, memory does not.
    held = [read_records(unit_frame(run.spark, units), sources).persist(StorageLevel.DISK_ONLY)]
    records, targets = held[0], None
    if any(source.format == PYDOCS for source in sources):
        held.append(targets := name_targets(records).persist(StorageLevel.DISK_ONLY))
    try:
        documents, judgements = select_documents(records, targets, sources, seed), select_judgements(records, targets)
        if run.recipe.passages.tokens is not None:
            held.append(cut := cut_passages(documents, run.recipe))
            run.write(list_passages(cut), PASSAGES)
            documents = put_passages(documents, cut)
        if erased:
            ids = id_frame(run.spark, erased)
            is_cut = run.recipe.passages.tokens is not None
            named = name_relatives(documents, run.written(PASSAGES), ids) if is_cut else ids
            documents, judgements = erase_documents(documents, named), erase_judgements(judgements, ids)
        run.write(documents, DOCUMENTS)
        run.write(select_annotations(records, sources, seed), ANNOTATIONS)
        run.write(judgements, JUDGEMENTS)
        run.write(select_rejects(records), REJECTS)
    finally:
        for frame in held:
            frame.unpersist()
    yields = count_yields(run.written(DOCUMENTS), run.written(REJECTS), run.written(JUDGEMENTS), sources)
    check_yields(yields, sources)
    run.note(files=_files(sources, [unit.source for unit in units]), sources=[each.to_mapping() for each in yields])


def cut_passages(documents: DataFrame, recipe: Recipe) -> DataFrame:
    """Return the passages of the documents that are too long, kept on disk: two tables are made of them."""
    counter = OpenCounter(str(_counted_model(recipe)))
    return cut_documents(documents, counter, recipe.passages, recipe.sources).persist(StorageLevel.DISK_ONLY)


def _counted_model(recipe: Recipe) -> Path:
    return recipe.model_path(recipe.passages.tokenizer or recipe.train.model)


def _files(sources: Sequence[SourceConfig], owners: Sequence[str]) -> dict[str, int]:
    return {source.name: owners.count(source.name) for source in sources}


def _digests(recipe: Recipe) -> Mapping[str, str]:
    found = {source.name: digest_source(source) for source in recipe.sources}
    if recipe.passages.tokens is not None:
        settings = recipe.passages.to_mapping()
        found["(passages)"] = digest_of([settings, tokenizer_digest(_counted_model(recipe))])
    erased = read_erased(recipe.erase)
    return {**found, "(erase)": digest_of(erased)} if erased else found


STAGE = Stage(
    name="ingest", version=2,
    settings=("sources",),
    inputs={},
    outputs=(DOCUMENTS, ANNOTATIONS, JUDGEMENTS, REJECTS),
    run=run,
    external=_digests,
)

if __name__ == "__main__":
    main(STAGE)
