"""Queries, measured: their form for comparing, their id, and whether a text holds them word for word."""

from __future__ import annotations

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import StringType

from pipeline.ids import hash_column
from pipeline.text import normal_form


@pandas_udf(StringType())  # type: ignore[call-overload, untyped-decorator]
def _forms(texts: pd.Series) -> pd.Series:
    return texts.map(normal_form)


def form_of(column: str) -> Column:
    """Return a column of normal forms."""
    found: Column = _forms(F.col(column))
    return found


def measure_queries(pairs: DataFrame) -> DataFrame:
    """Add the normal form and id of each query, its number of words, and whether the text holds it word for word.

    In:  ``query`` and ``text``, besides others, which stay; ``text`` goes.
    Out: form, query_id, words, in_text.
    """
    formed = pairs.withColumns({"form": form_of("query"), "_text": form_of("text")})
    padded = [F.concat(F.lit(" "), F.col(name), F.lit(" ")) for name in ("_text", "form")]
    words = F.when(F.col("form") == "", 0).otherwise(F.size(F.split("form", " ")))
    return formed.withColumns(
        {
            "query_id": hash_column(F.col("form")),
            "words": words,
            "in_text": F.contains(*padded),
        }
    ).drop("_text", "text")
