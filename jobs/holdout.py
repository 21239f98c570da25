"""The holdout stage: evaluation sets, cut from the documents or read from outside; what is left trains."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.holdout.config import protects_documents, source_of_set
from pipeline.holdout.families import held_out_corpus, held_out_queries, hold_out, split_queries
from pipeline.holdout.outside import leave_out_erased, outside_corpus, outside_queries
from pipeline.ingest.erase import id_frame, match_lines, names_of_documents, read_erased
from pipeline.ingest.files import digest_source
from pipeline.ingest.tables import read_records
from pipeline.ingest.units import plan_units, unit_frame
from pipeline.plans import cut_lineage
from pipeline.readers.records import DOCUMENT, QUERY, REJECT
from pipeline.recipe import Recipe
from schemas.documents import DOCUMENTS, DUPLICATES, EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES
from schemas.errors import RecipeError


def run(run: Run) -> None:
    """Hold out families, read the sets from outside, and write both as one."""
    cfg, seed = run.recipe.holdout, run.recipe.seed
    run.write(hold_out(run.read(DOCUMENTS), run.read(DUPLICATES), cfg, seed), DOCUMENTS)
    documents = run.read_back(DOCUMENTS)
    corpus, judged = held_out_corpus(documents, cfg), held_out_queries(documents, cfg, seed)
    if run.recipe.evaluation:
        records = _without_erased(run, _read_sets(run))
        protect = {each.name: protects_documents(each, run.recipe.sources) for each in run.recipe.evaluation}
        corpus = corpus.unionByName(outside_corpus(records, protect))
        judged = judged.unionByName(outside_queries(records))
    queries, qrels = split_queries(cut_lineage(judged))
    run.write(corpus, EVAL_CORPUS)
    run.write(queries, EVAL_QUERIES)
    run.write(qrels, EVAL_QRELS)
    _check(run)


def _without_erased(run: Run, records: DataFrame) -> DataFrame:
    """Return the records of the sets without what the recipe's ``erase`` names, by its id or by the text it has.

    The texts are read once more: what ingest wrote of them is blank.
    """
    lines = read_erased(run.recipe.erase)
    if not lines:
        return records
    sources = run.recipe.sources
    read = read_records(unit_frame(run.spark, plan_units(sources)), sources).where(F.col("kind") == DOCUMENT)
    both = read.select("doc_id", "native_id").unionByName(
        records.select(F.col("native_id").alias("doc_id"), F.lit(None).cast("string").alias("native_id"))
    )
    found = match_lines(run.spark, lines, names_of_documents(both))
    ids = id_frame(run.spark, sorted({row["id"] for row in found.collect()}))
    named = F.array_contains(F.array("doc_id", "native_id"), F.col("id"))
    erased = read.join(F.broadcast(ids), named, how="left_semi")
    body = F.when(F.startswith("text", "title"), F.ltrim(F.substr("text", F.length("title") + 1))).otherwise(
        F.col("text")
    )
    texts = erased.select("text").unionByName(erased.select(body.alias("text")))
    left = leave_out_erased(records, ids, texts).persist(StorageLevel.DISK_ONLY)
    gone = (
        records.groupBy("source", "kind")
        .count()
        .join(left.groupBy("source", "kind").agg(F.count("*").alias("left")), ["source", "kind"], how="left")
    )
    for row in gone.where(F.col("kind").isin(DOCUMENT, QUERY)).orderBy("source", "kind").collect():
        if count := row["count"] - (row["left"] or 0):
            run.remark(f"evaluation set {row['source']} is without {count} erased {row['kind']}{'s'[: count != 1]}")
    return left


def _read_sets(run: Run) -> DataFrame:
    """Read the evaluation sets from outside. Raises: RecipeError where a line of one cannot be read."""
    sources = [source_of_set(each) for each in run.recipe.evaluation]
    records = read_records(unit_frame(run.spark, plan_units(sources)), sources).persist(StorageLevel.DISK_ONLY)
    nameless = records["kind"].isin(DOCUMENT, QUERY) & records["native_id"].isNull()
    bad = records.where((records["kind"] == REJECT) | nameless)
    faults = [
        f"evaluation set {row['source']}: {row['path']}:{row['line']} must be readable and have an _id, got "
        f"{row['reason'] or 'no _id'}: {row['detail'] or 'try adding one'}"
        for row in bad.limit(3).collect()
    ]
    if faults:
        raise RecipeError(faults)
    return records


def _check(run: Run) -> None:
    """Note the size of each set. Raises: RecipeError for a set without queries, which would measure nothing."""
    wanted = [run.recipe.holdout.name] if run.recipe.holdout.fraction else []
    wanted += [each.name for each in run.recipe.evaluation]
    counts = {
        name: {row["eval_name"]: row["count"] for row in run.read_back(table).groupBy("eval_name").count().collect()}
        for name, table in (("documents", EVAL_CORPUS), ("queries", EVAL_QUERIES), ("qrels", EVAL_QRELS))
    }
    empty = [name for name in wanted if not counts["queries"].get(name)]
    if empty:
        way_out = "try a larger holdout.fraction, sources with titles, holdout.fraction: 0, or another split"
        raise RecipeError([f"evaluation set {name} must have queries, got none; {way_out}" for name in empty])
    run.note(evaluation={name: {what: found.get(name, 0) for what, found in counts.items()} for name in wanted})


def _digests(recipe: Recipe) -> Mapping[str, str]:
    return {each.name: digest_source(source_of_set(each)) for each in recipe.evaluation}


STAGE = Stage(
    name="holdout",
    version=2,
    settings=("holdout", "evaluation"),
    inputs={DOCUMENTS: "dedupe", DUPLICATES: "dedupe"},
    outputs=(DOCUMENTS, EVAL_CORPUS, EVAL_QUERIES, EVAL_QRELS),
    run=run,
    leaves=True,
    external=_digests,
)

if __name__ == "__main__":
    main(STAGE)
