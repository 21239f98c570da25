"""Ids are content hashes, and sampling is by hash of (seed, ids): the same on any machine and partitioning.

SHA-256, cut to 16 hexadecimal digits (64 bits): at ten million rows the chance of any collision is about 3e-6.
The parts are joined by U+001F, which normalised text never holds, so that ("ab", "c") and ("a", "bc") differ.
"""

from __future__ import annotations

import hashlib

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipeline.text import exact_form

DIGITS = 16
_SEPARATOR = "\x1f"


def hash_id(*parts: str) -> str:
    """Return the id of the parts: 16 hexadecimal digits."""
    return hashlib.sha256(_SEPARATOR.join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def hash_text(text: str) -> str:
    """Return the id of a text: equal for texts that differ in white space at most."""
    return hash_id(exact_form(text))


def hash_column(*parts: Column) -> Column:
    """Return the same id as :func:`hash_id`, computed by Spark; a null part counts as empty."""
    joined = F.concat_ws(_SEPARATOR, *[F.coalesce(part.cast("string"), F.lit("")) for part in parts])
    return F.substring(F.sha2(joined, 256), 1, DIGITS)


def unit_column(seed: int, *parts: Column) -> Column:
    """Return a number in [0, 1) that depends on the seed and the parts alone: 13 hexadecimal digits, 52 bits."""
    digits = F.substring(hash_column(F.lit(str(seed)), *parts), 1, 13)
    return F.conv(digits, 16, 10).cast("double") / F.lit(float(16**13))


def unit_of(seed: int, *parts: str) -> float:
    """Return the same number as :func:`unit_column`, in Python."""
    return int(hash_id(str(seed), *parts)[:13], 16) / float(16**13)
