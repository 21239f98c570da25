"""The ingest stage: sources -> documents, judgements and rejects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import DataFrame
from pyspark.storagelevel import StorageLevel

from jobs.cache.replies import Written
from jobs.engines.tokenizer import OpenCounter, tokenizer_digest
from jobs.llm.generate import fetch_replies
from jobs.llm.model import model_digest, why_no_model
from jobs.llm.prompts_on_disk import store_prompts
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from jobs.store.files import digest_of
from pipeline.contract import local_frame
from pipeline.ingest.clean.judged import count_judged, keep_judged
from pipeline.ingest.config import SourceConfig
from pipeline.ingest.erase import (
    erase_documents,
    erase_judgements,
    erase_rejects,
    id_frame,
    match_lines,
    name_relatives,
    names_of_documents,
    read_erased,
)
from pipeline.ingest.files import digest_source
from pipeline.ingest.passages.contexts import CONTEXT_RULES, judge_contexts, plan_contexts, put_contexts
from pipeline.ingest.passages.passages import cut_documents, list_passages, put_passages
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
from pipeline.readers.formats.csv_tsv import CsvConfig, told_delimiter
from pipeline.readers.registry import FORMATS
from pipeline.readers.unit import Unit
from pipeline.recipe import Recipe
from schemas.documents import ANNOTATIONS, DOCUMENTS, JUDGEMENTS, PASSAGES, REJECTS
from schemas.pairs import CONTEXTS
from schemas.reasons import count_by_setting

_SHOWN = 3  # ids in a line
_LOOKED_AT = 20  # CSV files of a source


class Reading(NamedTuple):
    """What one reading of the sources gives, all of it lazy; ``cut``: long documents, where passages are asked for."""

    records: DataFrame
    targets: DataFrame | None
    documents: DataFrame
    cut: DataFrame | None


def run(run: Run) -> None:
    """Read every source once, part what came of it, and refuse a source that gave nothing."""
    sources, seed, erased = run.recipe.sources, run.recipe.seed, read_erased(run.recipe.erase)
    units = plan_units(sources)
    told = tell_contexts(run, units, erased)
    with reading(run, units) as read:
        documents, judgements = read.documents, select_judgements(read.records, read.targets)
        if (cut := read.cut) is not None:
            if told:
                cut = put_told(run, read, told)
            run.write(list_passages(cut), PASSAGES)
            documents = put_passages(documents, cut)
        if erased:
            ids = _named(run, documents, erased)
            documents = _without(documents, None if cut is None else run.read_back(PASSAGES), ids)
            judgements = erase_judgements(judgements, ids)
        run.write(documents, DOCUMENTS)
        run.write(select_annotations(read.records, sources, seed), ANNOTATIONS)
        run.write(judgements, JUDGEMENTS)
        rejects = select_rejects(read.records)
        run.write(erase_rejects(rejects, erased) if erased else rejects, REJECTS)
    yields = count_yields(run.read_back(DOCUMENTS), run.read_back(REJECTS), run.read_back(JUDGEMENTS), sources)
    check_yields(yields, sources)
    for remark in _delimiters(run.recipe.sources, units):
        run.remark(remark)
    lost = [row.asDict() for row in count_judged(run.read_back(DOCUMENTS), run.read_back(JUDGEMENTS)).collect()]
    if lost:
        pairs = {each["reason"]: each["judgements"] for each in lost}
        gone = sum(each["documents"] for each in lost)
        run.note(judged_lost=lost)
        run.remark(f"{gone:,} judged documents dropped, and with them judgements: {count_by_setting(pairs)}")
    run.note(files=_files(sources, [unit.source for unit in units]), sources=[each.to_mapping() for each in yields])


@contextmanager
def reading(run: Run, units: Sequence[Unit]) -> Iterator[Reading]:
    """Read the sources; the disk holds what is read for as long as the block lasts, memory does not."""
    sources = run.recipe.sources
    # Several outputs share one reading, and reading is the dear part.
    held = [read_records(unit_frame(run.spark, units), sources).persist(StorageLevel.DISK_ONLY)]
    records, targets, cut = held[0], None, None
    try:
        if any(FORMATS[source.format].names_symbols for source in sources):
            held.append(targets := name_targets(records).persist(StorageLevel.DISK_ONLY))
        documents = select_documents(records, targets, sources, run.recipe.seed)
        documents = keep_judged(documents, select_judgements(records, targets), sources)
        if run.recipe.passages.tokens is not None:
            held.append(cut := cut_passages(documents, run.recipe))
        yield Reading(records, targets, documents, cut)
    finally:
        for frame in held:
            frame.unpersist()


def tell_contexts(run: Run, units: Sequence[Unit], erased: list[str]) -> dict[str, Written]:
    """Return what the language model says of each passage, where that is asked for; Spark stops meanwhile.

    Raises: EngineError when the server is gone, or refuses everything.
    """
    if not run.recipe.passages.context:
        return {}
    if fault := why_no_model(run.recipe.synthesise):
        run.note(headline=f"passages have no context: {fault}")
        return {}
    with reading(run, units) as read:
        assert read.cut is not None  # the recipe's faults say so
        passages, documents = list_passages(read.cut), put_passages(read.documents, read.cut)
        if erased:
            documents = _without(documents, passages, _named(run, documents, erased))
        asked = store_prompts(plan_contexts(documents, passages, run.recipe.passages.context_tokens), run)
    return fetch_replies(asked, run, model_digest(run.recipe))


def put_told(run: Run, read: Reading, told: Mapping[str, Written]) -> DataFrame:
    """Write CONTEXTS, and return the cut documents with the lines that are used."""
    assert read.cut is not None
    counter = OpenCounter(str(_counted_model(run.recipe)))
    model = model_digest(run.recipe)
    rows = sorted((doc_id, each.reply, each.finish_reason, model) for doc_id, each in told.items())
    replies = local_frame(run.spark, rows, "doc_id string, reply string, finish_reason string, model string")
    documents = put_passages(read.documents, read.cut)
    run.write(judge_contexts(replies, documents, list_passages(read.cut), counter, run.recipe.passages), CONTEXTS)
    return put_contexts(read.cut, run.read_back(CONTEXTS), counter)


def _named(run: Run, documents: DataFrame, lines: list[str]) -> DataFrame:
    """Return the ids that the lines name, and note the lines that name no document."""
    found = {row["line"]: row["id"] for row in match_lines(run.spark, lines, names_of_documents(documents)).collect()}
    unknown = [line for line in lines if line not in found]
    if unknown:
        shown = ", ".join(unknown[:_SHOWN]) + (", ..." if len(unknown) > _SHOWN else "")
        run.remark(f"erase names {len(unknown)} id{'s'[: len(unknown) != 1]} that no document has: {shown}")
    return id_frame(run.spark, sorted(set(found.values())))


def _without(documents: DataFrame, passages: DataFrame | None, ids: DataFrame) -> DataFrame:
    """Return the documents, the named ones blank, and where they were cut all that is of the same document."""
    return erase_documents(documents, ids if passages is None else name_relatives(documents, passages, ids))


def cut_passages(documents: DataFrame, recipe: Recipe) -> DataFrame:
    """Return the passages of the documents that are too long, kept on disk: two tables are made of them."""
    counter = OpenCounter(str(_counted_model(recipe)))
    return cut_documents(documents, counter, recipe.passages, recipe.sources).persist(StorageLevel.DISK_ONLY)


def _counted_model(recipe: Recipe) -> Path:
    return recipe.model_path(recipe.passages.tokenizer or recipe.train.model)


def _delimiters(sources: Sequence[SourceConfig], units: Sequence[Unit]) -> Iterator[str]:
    """Say of CSV files what was found to part their columns, where that is no comma."""
    for source in sources:
        if isinstance(source, CsvConfig) and source.delimiter is None:
            looked = [unit for unit in units if unit.source == source.name][:_LOOKED_AT]
            found = sorted({told for unit in looked if (told := told_delimiter(unit, source)) not in (",", None)})
            for delimiter in found:
                yield f"sources.{source.name}.delimiter: {json.dumps(delimiter)} was found"


def _files(sources: Sequence[SourceConfig], owners: Sequence[str]) -> dict[str, int]:
    return {source.name: owners.count(source.name) for source in sources}


def _digests(recipe: Recipe) -> Mapping[str, str]:
    found = {source.name: digest_source(source) for source in recipe.sources}
    erased = read_erased(recipe.erase)
    return {**found, "(erase)": digest_of(erased)} if erased else found


def _passage_settings(recipe: Recipe) -> Mapping[str, Any]:
    """Return what cuts passages and, where that is asked for, what says their context."""
    if recipe.passages.tokens is None:
        return {}
    settings = recipe.passages.to_mapping()
    writer = [CONTEXT_RULES, recipe.section("synthesise"), model_digest(recipe)] if recipe.passages.context else []
    return {"(passages)": [settings, tokenizer_digest(_counted_model(recipe)), *writer]}


STAGE = Stage(
    name="ingest",
    version=4,
    settings=("sources",),
    inputs={},
    outputs=(DOCUMENTS, ANNOTATIONS, JUDGEMENTS, REJECTS),
    run=run,
    external=_digests,
    conditional_settings=_passage_settings,
    conditional_sections=("passages", "synthesise"),
    says_none=(REJECTS,),
)

if __name__ == "__main__":
    main(STAGE)
