"""The evaluation firewall: nothing that overlaps a protected evaluation set is trained on.

A text leaks when it is a protected one, white space aside (exact), when the Jaccard similarity of their word n-grams
reaches a threshold (near: proposed by MinHash LSH, verified), when it holds enough of a protected document's n-grams
or a protected document holds enough of its (contained), or when it holds a long protected query word for word.

N-grams that many texts hold (licence headers, parameter lists) are evidence of nothing: only those count towards
containment that few texts hold, the protected ones among them. That also bounds the join. Measured on docstrings and
newswire with 1,000 documents protected and 3-grams held by at most 10 texts: copies with one word in ten replaced are
found in 98-99 % of cases at half of a document's countable n-grams; without the bound on common n-grams four times as
many siblings (documents of one template) are cut.

Source: n-gram decontamination as in Brown et al., "Language Models are Few-Shot Learners" (2020), appendix C.
Known weakness: a paraphrase shares no n-grams and passes; so does an edited copy of a text of a few words.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from pipeline.contract import conform, kept
from pipeline.guard.config import DOCUMENT, FLAGS, QUERY, GuardConfig, holds_words
from pipeline.guard.one_task import ONE_TASK, READ, flag_in_one_task
from pipeline.plans import Cut, cut_lineage, send_few
from pipeline.queries import id_of
from pipeline.similarity.near import sets_of, sign_texts, verify_spokes
from schemas.documents import CONTAINED, DOCUMENTS, EXACT, LEAK, LEAKS, NEAR, NEAR_DUPLICATE, SEMANTIC_DUPLICATE


def protected_texts(eval_corpus: DataFrame, eval_queries: DataFrame) -> DataFrame:
    """List what training texts must not overlap.

    In:   EVAL_CORPUS, EVAL_QUERIES.
    Out:  eval_name, eval_id, role (document or query), text: protected documents, and every query.
    """
    documents = eval_corpus.where("protect").select(
        "eval_name", F.col("doc_id").alias("eval_id"), F.lit(DOCUMENT).alias("role"), "text"
    )
    queries = eval_queries.select(
        "eval_name", F.col("query_id").alias("eval_id"), F.lit(QUERY).alias("role"), F.col("query").alias("text")
    )
    return documents.unionByName(queries)


def find_leaks(
    documents: DataFrame,
    duplicates: DataFrame,
    protected: DataFrame,
    cfg: GuardConfig,
    cut: Cut = cut_lineage,
) -> DataFrame:
    """List the training documents that overlap a protected text, and the survivors that stand for them.

    In:   DOCUMENTS, DUPLICATES, ``protected_texts``.
    Out:  LEAKS. A dropped near or semantic duplicate whose survivor is kept is looked at too: when it leaks, the
          whole cluster does, so the survivor is listed with the overlap of its member.
    Cost: runs jobs, as :func:`flag_leaks` does.
    """
    survivors = kept(documents).select(F.col("doc_id").alias("survivor_id"))
    members = duplicates.join(survivors, "survivor_id", how="left_semi")
    unlike = F.col("drop_reason").isin(NEAR_DUPLICATE, SEMANTIC_DUPLICATE)
    hidden = documents.where(unlike).join(members, "doc_id", how="left_semi")
    texts = kept(documents).unionByName(hidden).select(F.col("doc_id").alias("text_id"), "text")
    flags = cut(flag_leaks(texts, protected, cfg, cut)).withColumnRenamed("text_id", "doc_id")
    inherited = flags.join(members.select("doc_id", "survivor_id"), "doc_id", how="inner")
    both = flags.unionByName(inherited.drop("doc_id").withColumnRenamed("survivor_id", "doc_id"))
    return conform(both.groupBy(*LEAKS.key).agg(F.max("overlap").alias("overlap")), LEAKS)


def drop_leaks(documents: DataFrame, leaks: DataFrame) -> DataFrame:
    """Mark the kept documents that LEAKS lists. In and out: DOCUMENTS, every row; drop_reason leak."""
    listed = leaks.select("doc_id").distinct().withColumn("listed", F.lit(LEAK))
    marked = documents.join(listed, "doc_id", how="left")
    return conform(marked.withColumn("drop_reason", F.coalesce("drop_reason", "listed")), DOCUMENTS)


def flag_leaks(
    texts: DataFrame,
    protected: DataFrame,
    cfg: GuardConfig,
    cut: Cut = cut_lineage,
    one_task: int = ONE_TASK,
) -> DataFrame:
    """Find the texts, of whatever origin, that overlap a protected text.

    In:   ``text_id``, ``text``; ``protected_texts``.
    Out:  text_id, eval_name, eval_id, kind (the strongest of exact, near, contained), overlap to 6 decimals.
    Cost: one task where both sides have at most ``one_task`` characters. It gives up when it has read so many, and 3
          jobs follow: both sides signed, n-grams joined (linear: a countable n-gram has at most ``common`` holders);
          texts in one LSH bucket with many protected ones are compared with each.
    """
    both = protected.unionByName(texts, allowMissingColumns=True).select(*READ).coalesce(1)
    flags = cut(both.mapInArrow(lambda rows: flag_in_one_task(rows, cfg, one_task), from_arrow_schema(FLAGS)))
    return flags if flags.where("kind IS NULL").isEmpty() else _flag_in_many(texts, protected, cfg, cut)


def _flag_in_many(texts: DataFrame, protected: DataFrame, cfg: GuardConfig, cut: Cut) -> DataFrame:
    """Return the flags of texts of any number: the steps of ``one_task``, as joins."""
    signing = cfg.signing
    named_texts = texts.withColumn("node", F.xxhash64("text_id"))
    named = protected.withColumn("node", F.xxhash64("eval_name", "role", "eval_id"))
    hashed = id_of("text").alias("hash")
    ours = cut(sign_texts(named_texts.select("node", hashed, "text"), signing))
    theirs = cut(sign_texts(named.select("node", "role", hashed, "text"), signing))

    facts = theirs.agg(F.count("*"), F.coalesce(F.sum(F.size("bands")), F.lit(0)), F.coalesce(F.sum("size"), F.lit(0)))
    texts_count, bands, ngrams = facts.collect()[0]
    exact = _pair(ours, theirs, "hash", texts_count).withColumns({"kind": F.lit(EXACT), "overlap": F.lit(1.0)})
    spokes = _colliding(ours, theirs, bands).select(F.col("right").alias("hub"), F.col("left").alias("node"))
    near = verify_spokes(spokes, theirs, ours, cfg.threshold).select(
        F.col("right").alias("left"),
        F.col("left").alias("right"),
        F.lit(NEAR).alias("kind"),
        F.col("jaccard").alias("overlap"),
    )
    held = cut(_list_held(ours, theirs, texts_count, ngrams))
    contained = _contain_documents(held, ours, cfg).unionByName(_contain_queries(held, named_texts, named, cfg))
    strength = F.array_position(F.array(F.lit(EXACT), F.lit(NEAR), F.lit(CONTAINED)), F.col("kind"))
    strongest = Window.partitionBy("left", "right").orderBy(strength)  # a kind has one row a pair
    flags = exact.unionByName(near).unionByName(contained).withColumn("place", F.row_number().over(strongest))
    return (
        flags.where(F.col("place") == 1)
        .join(named_texts.select(F.col("node").alias("left"), "text_id"), "left", how="inner")
        .join(
            send_few(named.select(F.col("node").alias("right"), "eval_name", "eval_id"), texts_count),
            "right",
            how="inner",
        )
        .select(*FLAGS.names)
    )


def _pair(ours: DataFrame, theirs: DataFrame, key: str, rows: int) -> DataFrame:
    """Return the pairs with the same key; ``rows`` is how many there are of theirs."""
    left, right = (side.select(key, F.col("node").alias(name)) for side, name in ((ours, "left"), (theirs, "right")))
    return left.join(send_few(right, rows), key, how="inner").select("left", "right")


def _colliding(ours: DataFrame, theirs: DataFrame, bands: int) -> DataFrame:
    """Return the pairs of a text and a protected one that share a band; ``bands`` is how many the protected have."""
    ours, theirs = (side.select("node", F.explode("bands").alias("band")) for side in (ours, theirs))
    return _pair(ours, theirs, "band", bands).distinct()


def list_ngrams(signatures: DataFrame) -> DataFrame:
    """Return one row per text and distinct n-gram hash: node, ngram."""

    def explode(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            sets = sets_of(batch.column("shingles"))
            nodes = np.repeat(batch.column("node").to_numpy(), sets.sizes)
            columns = [pa.array(nodes), pa.array(sets.values.view(np.int64))]
            yield pa.RecordBatch.from_arrays(columns, names=["node", "ngram"])

    return signatures.select("node", "shingles").mapInArrow(explode, "node long, ngram long")


def _list_held(ours: DataFrame, theirs: DataFrame, rows: int, ngrams: int) -> DataFrame:
    """Return the n-grams of the protected texts, of which there are that many of both, and who holds them.

    Out: ngram, node, holders (texts of either side); role and size of a protected holder, null for another text.
    """
    protected = list_ngrams(theirs).join(send_few(theirs.select("node", "role", "size"), rows), "node", how="inner")
    held = list_ngrams(ours).join(send_few(protected.select("ngram"), ngrams), "ngram", how="left_semi")
    both = protected.unionByName(held, allowMissingColumns=True)
    return both.withColumn("holders", F.count("*").over(Window.partitionBy("ngram")))


def _contain_documents(held: DataFrame, ours: DataFrame, cfg: GuardConfig) -> DataFrame:
    """Return the pairs of a text and a protected document one of which holds enough of the other."""
    is_common = F.col("holders") > cfg.common
    protected = held.where((F.col("role") == DOCUMENT) & ~is_common).select("ngram", F.col("node").alias("right"))
    texts = held.where(F.col("role").isNull()).select("ngram", F.col("node").alias("left"), is_common.alias("common"))
    common = texts.where("common").groupBy("left").agg(F.count("*").alias("uncounted"))
    shared = (
        texts.where("not common")
        .join(protected, "ngram", how="inner")
        .groupBy("left", "right")
        .agg(F.count("*").alias("shared"))
    )
    totals = protected.groupBy("right").agg(F.count("*").alias("theirs"))
    sizes = (
        ours.select(F.col("node").alias("left"), "size")
        .join(common, "left", how="left")
        .select("left", (F.col("size") - F.coalesce("uncounted", F.lit(0))).alias("ours"))
    )
    overlap = F.round(F.col("shared") / F.least("ours", "theirs"), 6)
    enough = shared.where(F.col("shared") >= cfg.min_shared)
    measured = enough.join(totals, "right", how="inner").join(sizes, "left", how="inner")
    return measured.select("left", "right", F.lit(CONTAINED).alias("kind"), overlap.alias("overlap")).where(
        F.col("overlap") >= cfg.containment
    )


def _contain_queries(held: DataFrame, texts: DataFrame, protected: DataFrame, cfg: GuardConfig) -> DataFrame:
    """Return the pairs of a text and a long protected query that it holds word for word.

    Whatever holds a query holds its rarest n-gram: the holders of that one alone are read.
    """
    is_long = F.col("size") + cfg.ngram - 1 >= cfg.query_words
    rarest = F.min_by("ngram", F.struct("holders", "ngram")).alias("ngram")
    anchors = held.where((F.col("role") == QUERY) & is_long).groupBy(F.col("node").alias("right")).agg(rarest)
    holders = held.where(F.col("role").isNull()).select("ngram", F.col("node").alias("left"))
    named_texts = texts.select(F.col("node").alias("left"), "text")
    named_queries = protected.select(F.col("node").alias("right"), F.col("text").alias("query"))
    asked = holders.join(anchors, "ngram", how="inner").select("left", "right")
    asked = asked.join(named_texts, "left", how="inner").join(named_queries, "right", how="inner")

    def confirm(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            pairs = zip(batch.column("text").to_pylist(), batch.column("query").to_pylist(), strict=True)
            yield batch.select(["left", "right"]).filter(pa.array([holds_words(*pair) for pair in pairs], pa.bool_()))

    found = asked.select("left", "right", "text", "query").mapInArrow(confirm, "left long, right long")
    return found.withColumns({"kind": F.lit(CONTAINED), "overlap": F.lit(1.0)})
