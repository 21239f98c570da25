"""The evaluation sets: one cut from the sources themselves, and others read as they are.

The cut is by *family* (pipeline.ingest), so that a function is never trained on under one class and asked for under
another. Families that share a cluster of duplicates move together, for what dedupe dropped in one may live on in the
other; a group that grows large this way (every ``fit``, every ``forward``) is boilerplate and stays in training. What
overlap is left between documents, ``guard`` cuts out of training afterwards.

Queries are titles that mean one document: of some words, in no text word for word, and no other kept document's title.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform
from pipeline.ids import unit_column
from pipeline.ingest.config import BEIR, SourceConfig, resolve_path
from pipeline.pair.pairs import form_of, measure_queries
from pipeline.plans import Cut, cut_lineage
from pipeline.readers.records import DOCUMENT, QREL, QUERY
from pipeline.similarity.components import connect_components
from schemas.config import Config, setting
from schemas.documents import DOCUMENTS, EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES, HELD_OUT

AUTO, QUERIES, BOTH = PROTECT = ("auto", "queries", "both")


@dataclass(frozen=True)
class HoldoutConfig(Config):
    """The evaluation set that is cut from the sources."""

    name: str = setting("heldout", "name of the evaluation set")
    fraction: float | None = setting(
        None,
        "share of the families held out; 0 = none; null = 0.15, or 0 where the recipe names evaluation sets",
        low=0.0,
        high=0.9,
    )
    max_queries: int = setting(2000, "queries, drawn by hash", low=1)
    max_group: int = setting(20, "documents of a group of families; larger ones always train", low=1)
    min_words: int = setting(4, "words a query must have", low=1)
    max_words: int = setting(40, "words a query may have", low=1)
    protect_documents: bool = setting(True, "cut training documents that overlap with its documents")


@dataclass(frozen=True)
class EvalSetConfig(Config):
    """An evaluation set from outside, as a BEIR folder."""

    name: str = setting(doc="name of the evaluation set; unique in the recipe")
    path: str = setting(doc="BEIR folder, relative to the recipe")
    split: str = setting("test", "qrels/<split>.tsv")
    protect: str = setting(
        AUTO,
        "what training may not overlap with: queries, or both queries and documents; auto = both, but queries "
        "alone where the folder is also a source",
        choices=PROTECT,
    )


def resolve_sets(sets: Sequence[EvalSetConfig], folder: Path) -> tuple[EvalSetConfig, ...]:
    """Return the evaluation sets with relative paths taken from the recipe's folder."""
    return tuple(dataclasses.replace(each, path=resolve_path(each.path, folder)) for each in sets)


def resolve_holdout(cfg: HoldoutConfig, sets: Sequence[EvalSetConfig]) -> HoldoutConfig:
    """Return the settings with the share that holds when the recipe says none."""
    return cfg if cfg.fraction is not None else dataclasses.replace(cfg, fraction=0.0 if sets else 0.15)


def source_of_set(evaluation: EvalSetConfig) -> SourceConfig:
    """Return the source that reads the files of an evaluation set, unchanged but for white space."""
    return SourceConfig(
        name=evaluation.name,
        format=BEIR,
        path=evaluation.path,
        split=evaluation.split,
        min_chars=1,
        max_chars=1 << 30,
        max_bytes=1 << 30,
    )


def protects_documents(evaluation: EvalSetConfig, sources: Sequence[SourceConfig]) -> bool:
    """Return whether training documents that overlap with the set's documents are cut."""
    if evaluation.protect != AUTO:
        return evaluation.protect == BOTH
    place = Path(evaluation.path).resolve()
    same = (place, place / "corpus.jsonl", place / "corpus.jsonl.gz")
    return not any(source.path and Path(source.path).resolve() in same for source in sources)


def hold_out(
    documents: DataFrame,
    duplicates: DataFrame,
    cfg: HoldoutConfig,
    seed: int,
    cut: Cut = cut_lineage,
) -> DataFrame:
    """Mark the documents of the families that are held out.

    In:    DOCUMENTS, DUPLICATES.
    Out:   DOCUMENTS, every row; drop_reason held_out.
    Ties:  none: a group of families is drawn by the hash of seed and its name.
    Cost:  the groups take one job, see connect_components.
    """
    if not cfg.fraction:
        return conform(documents, DOCUMENTS)
    groups = group_families(documents, duplicates, cut)
    grouped = documents.join(groups, "family", how="left").withColumn("_group", F.coalesce("group", "family"))
    is_kept = F.col("drop_reason").isNull()
    size = F.sum(is_kept.cast("int")).over(Window.partitionBy("_group"))
    is_drawn = (unit_column(seed, F.lit("holdout"), F.col("_group")) < cfg.fraction) & (size <= cfg.max_group)
    reason = F.when(is_kept & is_drawn, HELD_OUT).otherwise(F.col("drop_reason"))
    return conform(grouped.withColumn("drop_reason", reason), DOCUMENTS)


def group_families(documents: DataFrame, duplicates: DataFrame, cut: Cut = cut_lineage) -> DataFrame:
    """Name the group of each family that shares a cluster of duplicates with another: its smallest family.

    In:   DOCUMENTS, DUPLICATES.
    Out:  ``family``, ``group``.
    """
    family_of = documents.select("doc_id", "family")
    dropped = duplicates.join(family_of.withColumnRenamed("family", "from"), "doc_id", how="inner")
    edges = dropped.join(
        family_of.select(F.col("doc_id").alias("survivor_id"), F.col("family").alias("to")), "survivor_id", how="inner"
    )
    edges = cut(edges.where(F.col("from") != F.col("to")).select("from", "to").distinct())
    nodes = edges.select(F.xxhash64("from").alias("left"), F.xxhash64("to").alias("right"))
    names = edges.select(F.explode(F.array("from", "to")).alias("family")).distinct()
    named = names.withColumn("node", F.xxhash64("family")).join(connect_components(nodes, cut), "node", how="inner")
    return named.select("family", F.min("family").over(Window.partitionBy("root")).alias("group"))


def held_out_corpus(documents: DataFrame, cfg: HoldoutConfig) -> DataFrame:
    """Return the held-out documents as a corpus to search.

    In:   DOCUMENTS after hold_out.
    Out:  EVAL_CORPUS.
    """
    held = documents.where(F.col("drop_reason") == HELD_OUT)
    named = held.withColumns({"eval_name": F.lit(cfg.name), "protect": F.lit(cfg.protect_documents)})
    return conform(named, EVAL_CORPUS)


def held_out_queries(documents: DataFrame, cfg: HoldoutConfig, seed: int) -> DataFrame:
    """Return the titles of held-out documents that are fit to be queries, with the document each one means.

    In:   DOCUMENTS after hold_out.
    Out:  eval_name, query_id, query, domain, doc_id, relevance: EVAL_QUERIES and EVAL_QRELS in one.
    Drops: titles that are short, long, in the text word for word, or shared by two documents; those over max_queries.
    Ties: the draw is by hash of seed and query_id.
    """
    is_held = F.col("drop_reason").eqNullSafe(HELD_OUT)
    live = documents.where((F.col("drop_reason").isNull() | is_held) & (F.col("title") != ""))
    titles = live.select("doc_id", form_of("title").alias("form"), is_held.alias("is_held"))
    holders = titles.withColumn("holders", F.count("*").over(Window.partitionBy("form")))
    single = holders.where(F.col("is_held") & (F.col("holders") == 1)).select("doc_id")
    asked = live.select("doc_id", F.col("title").alias("query"), "text", "domain")
    measured = measure_queries(asked.join(single, "doc_id", how="left_semi"))
    fit = ~F.col("in_text") & F.col("words").between(cfg.min_words, cfg.max_words)
    drawn = Window.partitionBy(F.lit(0)).orderBy(unit_column(seed, F.col("query_id")), "query_id")
    chosen = measured.where(fit).withColumn("place", F.row_number().over(drawn))
    return chosen.where(F.col("place") <= cfg.max_queries).select(
        F.lit(cfg.name).alias("eval_name"), "query_id", "query", "domain", "doc_id", F.lit(1).alias("relevance")
    )


def outside_corpus(records: DataFrame, protect: dict[str, bool]) -> DataFrame:
    """Return the corpora of evaluation sets from outside, under their own ids.

    In:   RECORDS of their folders; by name whether their documents are protected.
    Out:  EVAL_CORPUS. Of documents that share an id the first line counts.
    """
    found = records.drop("doc_id").withColumnsRenamed({"source": "eval_name", "native_id": "doc_id"})
    told = [F.min_by("text", "line").alias("text"), F.min_by("domain", "line").alias("domain")]
    first = found.where(F.col("kind") == DOCUMENT).groupBy("eval_name", "doc_id").agg(*told)
    guarded = F.col("eval_name").isin([name for name, documents_too in protect.items() if documents_too])
    return conform(first.withColumn("protect", guarded), EVAL_CORPUS)


def outside_queries(records: DataFrame) -> DataFrame:
    """Return the judged queries of evaluation sets from outside with their relevant documents.

    In:   RECORDS of their folders.
    Out:  eval_name, query_id, query, domain, doc_id, relevance; queries without a relevant document are left out.
    """
    named = records.drop("doc_id").withColumnsRenamed({"source": "eval_name", "native_id": "query_id"})
    queries = named.where(F.col("kind") == QUERY).groupBy("eval_name", "query_id")
    texts = queries.agg(F.min_by("text", "line").alias("query"))
    qrels = named.where(F.col("kind") == QREL).select(
        "eval_name",
        "query_id",
        F.element_at("links", 1).alias("doc_id"),
        F.greatest(F.lit(1), F.round("grade").cast("int")).alias("relevance"),
    )
    best = qrels.groupBy("eval_name", "query_id", "doc_id").agg(F.max("relevance").alias("relevance"))
    return best.join(texts, ["eval_name", "query_id"], how="inner").withColumn("domain", F.col("eval_name"))


def split_queries(judged: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return EVAL_QUERIES and EVAL_QRELS of queries with their relevant documents."""
    told = [F.min("query").alias("query"), F.min("domain").alias("domain")]
    queries = judged.groupBy("eval_name", "query_id").agg(*told)
    return conform(queries, EVAL_QUERIES), conform(judged, EVAL_QRELS)
