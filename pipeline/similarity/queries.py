"""Queries that say the same as a protected query: equal, or of nearly the same words.

Word sets are joined on a prefix: with a Jaccard similarity of at least t, two sets share one of the first
``n - ceil(t * n) + 1`` words of either in any fixed order. The order is longest word first, a cheap stand-in for rarest
first that needs no count. Source: prefix filtering as in Chaudhuri et al. (2006), "A Primitive Operator for
Similarity Joins". Known weakness: a paraphrase passes.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def find_protected(forms: DataFrame, protected: DataFrame, similarity: float) -> DataFrame:
    """Return the ids of queries that equal a protected one, or have nearly its words.

    In:   ``query_id``, ``form`` of both: the hash of the text itself, and its normal form (words and single spaces).
    Out:  query_id, each once.
    """
    mine = _prefixes(forms.select("query_id", word_set("form").alias("words")), similarity)
    theirs = _prefixes(protected.select(word_set("form").alias("theirs")).distinct(), similarity, "theirs")
    met = mine.join(F.broadcast(theirs), "word", how="inner")
    near = met.where(are_alike("words", "theirs", similarity)).select("query_id")
    same = forms.select("query_id").join(F.broadcast(protected.select("query_id")), "query_id", how="left_semi")
    return near.unionByName(same).distinct()


def are_alike(one: str, other: str, similarity: float) -> Column:
    """Return whether two columns of ``word_set`` have at least that Jaccard similarity.

    Rounded, so that a threshold such as 0.8 = 4/5 is met on every machine.
    """
    shared = F.size(F.array_intersect(one, other))
    return F.round(shared / (F.size(one) + F.size(other) - shared), 6) >= F.lit(round(similarity, 6))


def word_set(form: str) -> Column:
    """Return the words of a form, each once, longest first, then by the alphabet."""
    unique = F.array_distinct(F.split(form, " "))
    keyed = F.transform(unique, lambda word: F.struct(-F.length(word), word.alias("word")))
    return F.transform(F.array_sort(keyed), lambda pair: pair["word"])


def _prefixes(sets: DataFrame, similarity: float, column: str = "words") -> DataFrame:
    """Repeat each set for every word of its prefix."""
    size = F.size(column)
    length = size - F.ceil(F.round(size * F.lit(similarity), 6)).cast("int") + 1
    prefix = F.slice(F.col(column), F.lit(1), length)
    return sets.where(F.element_at(column, 1) != "").select("*", F.explode(prefix).alias("word"))
