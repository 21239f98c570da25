"""Names in "See Also" become ids of documents: the same symbol is public under one name and lives under another.

``DataFrame.join`` in pandas means ``pandas.core.frame.DataFrame.join``. A name fits a symbol when its parts stand in
the symbol in order and the last ones are equal; an equal name comes first, then the one nearest to the symbol that says
it.
"""

from __future__ import annotations

from itertools import takewhile

import pandas as pd
from pyspark.sql import DataFrame

_WANTED = "source string, package string, symbol string, name string"
_RESOLVED = "source string, symbol string, name string, target string"


def resolve_links(wanted: DataFrame, symbols: DataFrame) -> DataFrame:
    """Return the target of each name that fits a symbol of its package.

    In:   wanted (source, package, symbol, name) and symbols (source, package, native_id), each row once.
    Out:  (source, symbol, name, target); names that fit nothing, or only their own symbol, are left out.
    Ties: broken by the shorter, then the smaller symbol.
    Cost: one Python task a package, which holds its symbols.
    """

    def resolve(asked: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
        index = _index(known["native_id"].tolist())
        columns = [asked[name].tolist() for name in ("source", "symbol", "name")]
        rows = [(*row, nearest(row[2], row[1], index)) for row in zip(*columns, strict=True)]
        found = [row for row in rows if row[3] is not None]
        return pd.DataFrame(found, columns=["source", "symbol", "name", "target"])

    keys = ["source", "package"]
    return wanted.groupBy(*keys).cogroup(symbols.groupBy(*keys)).applyInPandas(resolve, _RESOLVED)


def _index(symbols: list[str]) -> dict[str, list[str]]:
    """Return the symbols by their last name."""
    index: dict[str, list[str]] = {}
    for symbol in symbols:
        index.setdefault(symbol.rpartition(".")[2], []).append(symbol)
    return index


def nearest(name: str, symbol: str, index: dict[str, list[str]]) -> str | None:
    """Return the symbol that a name means where ``symbol`` says it, or None."""
    package = symbol.partition(".")[0]
    parts = name.split(".")
    parts = parts[1:] if len(parts) > 1 and parts[0] == package else parts
    here = symbol.split(".")

    def rank(other: str) -> tuple[int, int, str]:
        there = other.split(".")
        shared = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(here, there, strict=False))))
        return -shared, len(there), other

    known = index.get(parts[-1], ())
    if name in known and name != symbol:
        return name
    fitting = [each for each in known if each != symbol and _in_order(parts, each.split("."))]
    return min(fitting, key=rank, default=None)


def _in_order(parts: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(part in rest for part in parts)
