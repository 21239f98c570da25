"""What a table says of others: every id and every retriever that it names is where it is said to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.contracts.checkpoint import Suite
from schemas.mining import RETRIEVERS
from schemas.table import HITS, Reference, Table

_SOUND_HITS = "hits by known retrievers, each once and in their order, ranks from 1"


def list_references(table: Table, frame: DataFrame, tables: Mapping[str, Callable[[], DataFrame]]) -> list[Suite]:
    """Return the suite of a table's references, none where it has none; ``tables`` opens those that it may refer to.

    The frame has the key, for each reference whether it is met, and whether the hits of a pair are sound; texts are
    never shuffled.
    """
    import great_expectations.expectations as gxe

    if not table.references:
        return []
    columns = dict.fromkeys([*table.key, *(name for each in table.references for name in each.columns)])
    hits = [column.name for column in table.columns if column.type == HITS]
    narrow = frame.select(*columns, *[_are_sound(name).alias(_SOUND_HITS) for name in hits])
    for reference in table.references:
        narrow = _mark(narrow, reference, tables)
    return [
        Suite(
            f"{table.name} references",
            table.key,
            narrow,
            [
                gxe.ExpectColumnValuesToBeInSet(column=name, value_set=[True])
                for name in (*(each.name for each in table.references), *(_SOUND_HITS for _ in hits))
            ],
        )
    ]


def _are_sound(hits: str) -> Column:
    """Return whether an array of hits is one that SCORES and VERDICTS may hold."""
    names = F.transform(hits, lambda hit: hit["retriever"])
    each = F.forall(
        hits, lambda hit: hit["retriever"].isin(*RETRIEVERS) & (hit["rank"] >= 1) & hit["score"].isNotNull()
    )
    return F.coalesce(each, F.lit(False)) & (names == F.array_sort(F.array_distinct(names)))


def _mark(frame: DataFrame, reference: Reference, tables: Mapping[str, Callable[[], DataFrame]]) -> DataFrame:
    """Add whether a reference is met; null where there is none."""
    found = None
    for table, columns in reference.to:
        targets = tables[table]().select(
            *[F.col(there).alias(here) for there, here in zip(columns, reference.columns, strict=True)]
        )
        found = targets if found is None else found.unionByName(targets)
    assert found is not None
    marked = frame.join(found.distinct().withColumn("_found", F.lit(True)), [*reference.columns], how="left")
    is_given = F.lit(True)
    for name in reference.columns:
        is_given = is_given & F.col(name).isNotNull()
    return marked.withColumn(reference.name, F.when(is_given, F.coalesce("_found", F.lit(False)))).drop("_found")
