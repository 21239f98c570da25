"""Answers of reviewers, found again among the candidates by the content of query and document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from schemas.reviews import CHECK, ESTIMATE, NO, PERSON, YES, Review

ANSWERED = "query_key string, text_key string, is_relevant boolean, inclusion double, is_drawn boolean"


def settle_answers(reviews: Sequence[Review]) -> list[tuple[str, str, bool, float, bool]]:
    """Return one answer a pair: (query_key, text_key, is_relevant, inclusion, is_drawn), in the order of the keys.

    In:   the answers that stand. Checks of the reviewer tell of the reviewer, not of the corpus, and are left out.
    Out:  what persons said goes before what models said, the majority before the rest; a pair on which they are even
          or unsure is left out. ``is_drawn``: it was drawn for an estimate, with probability ``inclusion``.
    """
    pairs: dict[tuple[str, str], list[Review]] = defaultdict(list)
    for each in reviews:
        if each.purpose != CHECK and each.answer in (YES, NO):
            pairs[each.pair].append(each)
    settled = []
    for (query_key, text_key), told in sorted(pairs.items()):
        of_persons = [each for each in told if each.reviewer.startswith(f"{PERSON}:")]
        votes = of_persons or told
        balance = sum(1 if each.answer == YES else -1 for each in votes)
        drawn = [each.inclusion for each in told if each.purpose == ESTIMATE]
        if balance:
            settled.append((query_key, text_key, balance > 0, min(drawn, default=1.0), bool(drawn)))
    return settled


def find_pairs(answers: DataFrame, positives: DataFrame, documents: DataFrame) -> DataFrame:
    """Give the answers the ids of their query and document.

    In:   rows of ANSWERED, few; POSITIVES and DOCUMENTS, whole.
    Out:  (query_id, doc_id, is_relevant, inclusion, is_drawn), each pair once; answers to what is no longer there are
          left out.
    Cost: a hash of every text; nothing is shuffled but what was found.
    """
    queries = positives.select("query_id", F.sha2("query", 256).alias("query_key")).distinct()
    texts = documents.select("doc_id", F.sha2("text", 256).alias("text_key"))
    found = texts.join(F.broadcast(answers), "text_key", how="inner").join(queries, "query_key", how="inner")
    return found.groupBy("query_id", "doc_id").agg(
        F.max("is_relevant").alias("is_relevant"),
        F.min("inclusion").alias("inclusion"),
        F.max("is_drawn").alias("is_drawn"),
    )
