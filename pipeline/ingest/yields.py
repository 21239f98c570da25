"""What each source gave, and the refusal of one that gave nothing: silence would hide a wrong recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.ingest.config import SourceConfig
from pipeline.readers.config import FieldsConfig, SplitConfig
from pipeline.readers.records import NOT_A_QREL
from schemas.errors import RecipeError


@dataclass
class SourceYield:
    """Counts of one source; ``first_reject`` is a sentence for a person."""

    name: str
    kept: int = 0
    titled: int = 0
    judgements: int = 0
    judgements_dropped: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    first_reject: str | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        return dict(vars(self))


def count_yields(
    documents: DataFrame,
    rejects: DataFrame,
    judgements: DataFrame,
    sources: Sequence[SourceConfig],
) -> list[SourceYield]:
    """Return what each source gave, in the order of the recipe.

    In:   DOCUMENTS, REJECTS, JUDGEMENTS as written.
    Cost: three small jobs.
    """
    found = {source.name: SourceYield(source.name) for source in sources}
    titled = F.sum((F.col("title") != "").cast("int")).alias("titled")
    for row in documents.groupBy("source", "drop_reason").agg(F.count("*").alias("rows"), titled).collect():
        each = found[row["source"]]
        if row["drop_reason"] is None:
            each.kept, each.titled = row["rows"], row["titled"]
        else:
            each.dropped[row["drop_reason"]] = row["rows"]
    first = F.min(F.struct("path", "line", "detail")).alias("first")
    by_reason = rejects.groupBy("source", "reason").agg(F.count("*").alias("rows"), first)
    for row in by_reason.orderBy("source", "reason").collect():
        each = found[row["source"]]
        each.rejected[row["reason"]] = row["rows"]
        place = f"{row['first']['path']}:{row['first']['line']}" if row["first"]["line"] else row["first"]["path"]
        each.first_reject = each.first_reject or f"{place}: {row['reason']}: {row['first']['detail']}"
    for row in judgements.groupBy("source", "drop_reason").count().collect():
        each = found[row["source"]]
        if row["drop_reason"] is None:
            each.judgements = row["count"]
        else:
            each.judgements_dropped[row["drop_reason"]] = row["count"]
    return list(found.values())


def check_yields(yields: Sequence[SourceYield], sources: Sequence[SourceConfig]) -> None:
    """Refuse sources without documents, without a title that the recipe names, or without the judgements of a split.

    Raises: RecipeError with one line a source: what came instead, where the first fault is, the way out.
    """
    faults = []
    for source, each in zip(sources, yields, strict=True):
        where = f"sources.{source.name}"
        if not each.kept:
            told = [f"{count} {reason}" for reason, count in {**each.dropped, **each.rejected}.items()]
            example = f"; first: {each.first_reject}" if each.first_reject else ""
            faults.append(f"{where} must give documents, got none ({', '.join(told) or 'empty files'}){example}")
        elif isinstance(source, FieldsConfig) and "title" in source.fields and not each.titled:
            name = source.fields["title"]
            faults.append(f"{where}.fields.title must name a field of the rows, got {name!r}, which no row has")
        elif isinstance(source, SplitConfig) and source.split is not None and not each.judgements:
            told = [f"{count} {reason}" for reason, count in sorted(each.judgements_dropped.items())]
            told += [f"{count} {NOT_A_QREL}" for count in [each.rejected.get(NOT_A_QREL, 0)] if count]
            example = f"; first: {each.first_reject}" if each.first_reject else ""
            faults.append(
                f"{where}.split must name qrels above grade 0 whose queries and documents are there, "
                f"got {source.split!r} ({', '.join(told) or 'no judgement'}){example}; try another split, or null"
            )
    if faults:
        raise RecipeError(faults)
