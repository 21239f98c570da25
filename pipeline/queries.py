"""Queries, measured: their id, their forms for comparing, and whether a text holds them word for word.

The id is that of the text itself, so "C" and "C++" are two queries. What is only compared is coarser: ``form`` keeps
words, ``spelling`` all but case, width and the marks at the ends.
"""

from __future__ import annotations

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import StringType

from pipeline.ids import hash_text
from pipeline.text import normal_form, spelling


@pandas_udf(StringType())  # type: ignore[call-overload, untyped-decorator]
def _forms(texts: pd.Series) -> pd.Series:
    return texts.map(normal_form)


@pandas_udf(StringType())  # type: ignore[call-overload, untyped-decorator]
def _spellings(texts: pd.Series) -> pd.Series:
    return texts.map(spelling)


@pandas_udf(StringType())  # type: ignore[call-overload, untyped-decorator]
def _ids(texts: pd.Series) -> pd.Series:
    return texts.map(hash_text)


def id_of(column: str) -> Column:
    """Return a column of ids of texts."""
    found: Column = _ids(F.col(column))
    return found


def spelling_of(column: str) -> Column:
    """Return a column of spellings."""
    found: Column = _spellings(F.col(column))
    return found


def form_of(column: str) -> Column:
    """Return a column of normal forms."""
    found: Column = _forms(F.col(column))
    return found


def share_positives(positives: DataFrame) -> DataFrame:
    """Return every document that is known to answer a query, or a query of the same spelling.

    In:   ``query_id``, ``query``, ``doc_id``.
    Out:  query_id, doc_id, is_shared (known of another spelling alone), each pair once.
    """
    spelt = positives.select("query_id", "doc_id", spelling_of("query").alias("spelling")).distinct()
    others = spelt.select("spelling", F.col("query_id").alias("other"), "doc_id")
    met = spelt.select("query_id", "spelling").distinct().join(others, "spelling", how="inner")
    is_shared = F.col("query_id") != F.col("other")
    return met.groupBy("query_id", "doc_id").agg(F.bool_and(is_shared).alias("is_shared"))


def measure_queries(pairs: DataFrame) -> DataFrame:
    """Add the normal form and id of each query, its number of words, and whether the text holds it word for word.

    In:  ``query`` and ``text``, besides others, which stay; ``text`` goes.
    Out: form, spelling, query_id, words, in_text.
    """
    formed = pairs.withColumns({"form": form_of("query"), "_text": form_of("text")})
    padded = [F.concat(F.lit(" "), F.col(name), F.lit(" ")) for name in ("_text", "form")]
    words = F.when(F.col("form") == "", 0).otherwise(F.size(F.split("form", " ")))
    return formed.withColumns(
        {
            "query_id": id_of("query"),
            "spelling": spelling_of("query"),
            "words": words,
            "in_text": F.contains(*padded),
        }
    ).drop("_text", "text")
