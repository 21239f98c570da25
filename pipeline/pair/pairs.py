"""Positives: which query a document is known to answer, from titles, links and judgements.

    title   summary line, heading or question -> the text under it
    links   what "See Also" says about a symbol -> that symbol, and
            "see also <symbol>: <its title>" -> the symbol and each one named there
    qrels   the queries that a source judges -> the documents it judges them by

The second form of ``links`` asks for relatives, so it says so and cannot be confused with a title, which asks for one
text. The symbol itself is among its positives: else it would be mined as their hardest negative. Known weakness: a
title is what its author wrote, no more of a question than that.

What a person judged is never dropped for its form or for a near twin, and where it must go it is listed with the
reason. A document that is the query itself (in sets of arguments and of duplicate questions queries are documents,
under the same id) is listed as its ``own_document``: later stages take it for neither an answer nor a negative.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.contract import conform, kept
from pipeline.ids import unit_column
from pipeline.pair.config import RULES, PairConfig
from pipeline.plans import Cut, cut_lineage
from pipeline.queries import form_of, id_of, measure_queries
from pipeline.similarity.queries import are_alike, find_protected, word_set
from schemas.documents import DUPLICATE_ID
from schemas.pairs import (
    DOCUMENT_DROPPED,
    DUPLICATE_PAIR,
    LINKS,
    OWN_DOCUMENT,
    POSITIVES,
    PROTECTED_QUERY,
    QRELS,
    QUERY_IN_TEXT,
    QUERY_TOO_COMMON,
    QUERY_TOO_LONG,
    QUERY_TOO_SHORT,
    SEE_ALSO_MARK,
    SURPLUS_PAIR,
    TITLE,
)


def pair_documents(
    documents: DataFrame,
    domains: DataFrame,
    judgements: DataFrame,
    duplicates: DataFrame,
    eval_queries: DataFrame,
    cfg: PairConfig,
    seed: int,
    cut: Cut = cut_lineage,
) -> DataFrame:
    """Make positives by every rule of the config, and say which of them are not fit to train on.

    In:    DOCUMENTS (all rows: links and judgements of dropped duplicates go to their survivors), DOMAINS, JUDGEMENTS,
           DUPLICATES, EVAL_QUERIES.
    Out:   POSITIVES, one row per query and kept document; judged pairs also where the document has a drop_reason.
    Drops: document_dropped, own_document, protected_query, surplus_pair; and of pairs that nobody judged
           query_too_short, query_too_long, query_in_text, query_too_common, duplicate_pair; the first that applies.
    Cost:  runs one job, which ``cut`` keeps.
    Ties:  a pair that several rules make belongs to qrels, then title, then links; of spellings the smallest is kept.
           Of pairs of one document (a cluster of duplicates has one) whose queries are nearly the same the one of the
           better rule stays, then that of more words, then of the smaller query_id.
    """
    makers = {
        TITLE: lambda: title_pairs(documents),
        LINKS: lambda: _described(documents, duplicates, judgements).unionByName(_related(documents, duplicates)),
        QRELS: lambda: _judged(documents, duplicates, judgements),
    }
    made = [makers[rule]() for rule in RULES if rule in cfg.rules]
    pairs = made[0]
    for more in made[1:]:
        pairs = pairs.unionByName(more)
    texts = _texts(documents, domains)
    pairs = pairs.unionByName(_own_texts(pairs, texts))
    fit = ~F.col("is_gone") | ((F.col("rule") == QRELS) & ~F.col("own"))
    # Read twice below; the texts are normalised once.
    unique = cut(_merge(measure_queries(pairs.join(texts, "doc_id", how="inner").where(fit))))
    asked = unique.select("query_id", "form").distinct()
    guarded = eval_queries.select(id_of("query").alias("query_id"), form_of("query").alias("form"))
    protected = find_protected(asked, guarded, cfg.protect_similarity)
    flagged = unique.join(protected.withColumn("is_protected", F.lit(True)), "query_id", how="left")
    return conform(_drop_surplus(_drop_twins(_drop_unfit(flagged, cfg), cfg), cfg, seed), POSITIVES)


def count_judged(positives: DataFrame, documents: DataFrame) -> DataFrame:
    """Count the judged pairs that are not trained on.

    In:   POSITIVES; DOCUMENTS as they were paired.
    Out:  reason, pairs; the most first. For a dropped document the reason is its own.
    """
    lost = positives.where((F.col("rule") == QRELS) & F.col("drop_reason").isNotNull())
    fate = documents.select("doc_id", F.col("drop_reason").alias("fate"))
    is_gone = F.col("drop_reason") == DOCUMENT_DROPPED
    reason = F.when(is_gone, F.coalesce("fate", "drop_reason")).otherwise(F.col("drop_reason")).alias("reason")
    judged = lost.where(F.col("drop_reason") != OWN_DOCUMENT).join(fate, "doc_id", how="left")
    return judged.groupBy(reason).agg(F.count("*").alias("pairs")).orderBy(F.desc("pairs"), "reason")


def _texts(documents: DataFrame, domains: DataFrame) -> DataFrame:
    """Return doc_id, text, text_hash, domain and whether it is gone, of every document."""
    told = documents.select("doc_id", "text", "text_hash", F.col("domain").alias("stated"), "drop_reason")
    found = told.join(domains.select("doc_id", "domain"), "doc_id", how="left")
    is_gone = F.col("drop_reason").isNotNull() | F.col("domain").isNull()
    return found.select(
        "doc_id", "text", "text_hash", F.coalesce("domain", "stated").alias("domain"), is_gone.alias("is_gone")
    )


def _own_texts(pairs: DataFrame, texts: DataFrame) -> DataFrame:
    """Return pairs of each query with the documents whose text it is, word for word."""
    asked = pairs.select("query", "rule").distinct().withColumn("text_hash", id_of("query"))
    found = asked.join(texts.select("doc_id", "text_hash"), "text_hash", how="inner")
    return found.select("query", "doc_id", "rule", *_facts(own=True))


def _own_ids(documents: DataFrame, duplicates: DataFrame, judged: DataFrame) -> DataFrame:
    """Return pairs of each judged query with the document that its source gives the same id.

    Where queries and documents are numbered apart the same number means nothing: so half of the words must be there.
    """
    asked = judged.select("source", F.col("query_native_id").alias("native"), "query").distinct()
    named = asked.join(_targets(documents, duplicates), ["source", "native"], how="inner")
    found = named.join(documents.select("doc_id", "text"), "doc_id", how="inner")
    words, others = (F.array_distinct(F.split(F.lower(name), r"(?U)\W+")) for name in ("query", "text"))
    is_same = 2 * F.size(F.array_intersect(words, others)) >= F.size(words)
    return found.where(is_same).select("query", "doc_id", F.lit(QRELS).alias("rule"), *_facts(own=True))


def _facts(*, counts: bool = False, own: bool = False, grade: Column | None = None) -> list[Column]:
    """Return what is known of a pair; an own document has no grade."""
    value = F.lit(0.0 if own else 1.0) if grade is None else grade
    return [F.lit(counts).alias("counts"), F.lit(own).alias("own"), value.alias("grade")]


def title_pairs(documents: DataFrame) -> DataFrame:
    """Return (query, doc_id, rule, counts, own, grade): the title of each kept document."""
    return kept(documents).where(F.col("title") != "").select(*_pair(F.col("title"), TITLE, counts=True))


def _pair(query: Column, rule: str, *, counts: bool, grade: Column | None = None) -> list[Column]:
    """Return the columns of a pair; ``counts`` says whether the query may be too common."""
    return [
        query.alias("query"),
        F.col("doc_id"),
        F.lit(rule).alias("rule"),
        *_facts(counts=counts, grade=grade),
    ]


def _targets(documents: DataFrame, duplicates: DataFrame) -> DataFrame:
    """Return (source, native, doc_id): the document that stands for a native id, its survivor where it was dropped."""
    named = documents.where(F.col("native_id").isNotNull() & ~F.col("drop_reason").eqNullSafe(DUPLICATE_ID))
    heirs = named.join(duplicates.select("doc_id", "survivor_id"), "doc_id", how="left")
    heir = F.coalesce("survivor_id", "doc_id").alias("doc_id")
    return heirs.select("source", F.col("native_id").alias("native"), heir)


def _judged(documents: DataFrame, duplicates: DataFrame, judgements: DataFrame) -> DataFrame:
    judged = kept(judgements).where(~F.contains("query_native_id", F.lit(SEE_ALSO_MARK)))
    found = judged.withColumnRenamed("doc_native_id", "native")
    resolved = found.join(_targets(documents, duplicates), ["source", "native"], how="inner")
    pairs = resolved.select(*_pair(F.col("query"), QRELS, counts=False, grade=F.col("grade")))
    return pairs.unionByName(_own_ids(documents, duplicates, judged))


def _described(documents: DataFrame, duplicates: DataFrame, judgements: DataFrame) -> DataFrame:
    said = kept(judgements).where(F.contains("query_native_id", F.lit(SEE_ALSO_MARK)))
    named = said.withColumnRenamed("doc_native_id", "native")
    resolved = named.join(_targets(documents, duplicates), ["source", "native"], how="inner")
    return resolved.select(*_pair(F.col("query"), LINKS, counts=True))


def _related(documents: DataFrame, duplicates: DataFrame) -> DataFrame:
    named = kept(documents).where(F.col("native_id").isNotNull() & (F.col("title") != ""))
    links = named.select(
        "source", "native_id", "title", F.col("doc_id").alias("from_id"), F.explode("links").alias("native")
    )
    resolved = links.join(_targets(documents, duplicates), ["source", "native"], how="inner")
    living = resolved.join(kept(documents).select("doc_id"), "doc_id", how="left_semi")
    others = living.where(F.col("from_id") != F.col("doc_id"))
    query = F.concat(F.lit("see also "), F.substring_index("native_id", ".", -1), F.lit(": "), F.col("title"))
    asked = others.select(query.alias("query"), F.explode(F.array("from_id", "doc_id")).alias("doc_id"))
    return asked.select(*_pair(F.col("query"), LINKS, counts=False))


def _merge(pairs: DataFrame) -> DataFrame:
    """Keep one row per query and document, and one spelling per query."""
    best = F.min_by("rule", _priority()).alias("rule")
    merged = pairs.groupBy("query_id", "form", "doc_id", "domain").agg(
        best,
        F.min("query").alias("query"),
        F.max("grade").alias("grade"),
        F.first("words").alias("words"),
        F.first("spelling").alias("spelling"),
        F.bool_or("in_text").alias("in_text"),
        F.bool_or("counts").alias("counts"),
        F.bool_or("is_gone").alias("is_gone"),
        F.bool_and(F.col("own") & (F.col("query_id") != F.col("text_hash"))).alias("own_id"),
        F.bool_or(F.col("query_id") == F.col("text_hash")).alias("own_text"),
    )
    return merged.withColumn("query", F.min("query").over(Window.partitionBy("query_id")))


def _drop_unfit(pairs: DataFrame, cfg: PairConfig) -> DataFrame:
    structural = F.col("rule") != QRELS
    is_long = (F.col("words") > cfg.max_words) | (F.length("query") > cfg.max_chars)
    holders = F.sum(F.col("counts").cast("int")).over(Window.partitionBy("spelling"))
    is_common = structural & F.col("counts") & (holders > cfg.max_docs_per_query)
    reason = (
        F.when(F.col("is_gone"), DOCUMENT_DROPPED)
        .when(F.col("own_text") | F.col("own_id"), OWN_DOCUMENT)
        .when(structural & (F.col("words") < cfg.min_words), QUERY_TOO_SHORT)
        .when(structural & is_long, QUERY_TOO_LONG)
        .when(structural & F.col("in_text"), QUERY_IN_TEXT)
        .when(is_common, QUERY_TOO_COMMON)
        .when(F.col("is_protected"), PROTECTED_QUERY)
    )
    return pairs.withColumn("drop_reason", reason)


def _priority() -> Column:
    """Return the place of a pair's rule, the best first."""
    return F.array_position(F.array(F.lit(QRELS), F.lit(TITLE), F.lit(LINKS)), F.col("rule"))


def _drop_twins(pairs: DataFrame, cfg: PairConfig) -> DataFrame:
    """Drop a pair that nobody judged when a better one of its document asks in nearly the same words."""
    place = F.struct(_priority(), -F.col("words"), "query_id")
    fit = pairs.where(F.col("drop_reason").isNull() & (F.col("words") > 0)).select(
        "doc_id", "query_id", "rule", place.alias("place"), word_set("form").alias("asked")
    )
    better = fit.select("doc_id", F.col("place").alias("better"), F.col("asked").alias("said"))
    asked_less = fit.where(F.col("rule") != QRELS)
    met = asked_less.join(better, "doc_id", how="inner").where(F.col("better") < F.col("place"))
    twins = met.where(are_alike("asked", "said", cfg.pair_similarity)).select("query_id", "doc_id").distinct()
    marked = pairs.join(twins.withColumn("twin", F.lit(DUPLICATE_PAIR)), ["query_id", "doc_id"], how="left")
    return marked.withColumn("drop_reason", F.coalesce("drop_reason", "twin"))


def _drop_surplus(pairs: DataFrame, cfg: PairConfig, seed: int) -> DataFrame:
    if cfg.max_per_rule is None:
        return pairs
    drawn = Window.partitionBy("domain", "rule", "drop_reason").orderBy(
        unit_column(seed, F.col("query_id"), F.col("doc_id")), "query_id", "doc_id"
    )
    is_surplus = F.col("drop_reason").isNull() & (F.row_number().over(drawn) > cfg.max_per_rule)
    return pairs.withColumn("drop_reason", F.when(is_surplus, SURPLUS_PAIR).otherwise(F.col("drop_reason")))
