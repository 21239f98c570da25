"""The ingest stage: sources -> documents, judgements and rejects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.storagelevel import StorageLevel

from jobs.stages import Stage, StageRun, main
from jobs.store import digest_of
from pipeline.ingest.erase import erase_documents, erase_judgements, id_frame, read_erased
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
from schemas.documents import ANNOTATIONS, DOCUMENTS, JUDGEMENTS, REJECTS


def run(run: StageRun) -> None:
    """Read every source once, part what came of it, and refuse a source that gave nothing."""
    sources, seed, erased = run.recipe.sources, run.recipe.seed, read_erased(run.recipe.erase)
    units = plan_units(sources)
    # Four outputs share one reading, and reading is the dear part; the disk holds it, memory does not.
    records = read_records(unit_frame(run.spark, units), sources).persist(StorageLevel.DISK_ONLY)
    has_docstrings = any(source.format == PYDOCS for source in sources)
    targets = name_targets(records).persist(StorageLevel.DISK_ONLY) if has_docstrings else None
    try:
        documents, judgements = select_documents(records, targets, sources, seed), select_judgements(records, targets)
        if erased:
            ids = id_frame(run.spark, erased)
            documents, judgements = erase_documents(documents, ids), erase_judgements(judgements, ids)
        run.write(documents, DOCUMENTS)
        run.write(select_annotations(records, sources, seed), ANNOTATIONS)
        run.write(judgements, JUDGEMENTS)
        run.write(select_rejects(records), REJECTS)
    finally:
        for frame in (records, targets):
            if frame is not None:
                frame.unpersist()
    yields = count_yields(run.written(DOCUMENTS), run.written(REJECTS), run.written(JUDGEMENTS), sources)
    check_yields(yields, sources)
    run.note(files=_files(sources, [unit.source for unit in units]), sources=[each.to_mapping() for each in yields])


def _files(sources: Sequence[SourceConfig], owners: Sequence[str]) -> dict[str, int]:
    return {source.name: owners.count(source.name) for source in sources}


def _digests(recipe: Recipe) -> Mapping[str, str]:
    found = {source.name: digest_source(source) for source in recipe.sources}
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
