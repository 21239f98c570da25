"""Planning which examples meet in a batch.

Every other row's positive and negatives stand as negatives against a row, so no batch may hold a query twice, a
document (or two of one duplicate cluster) twice in any role, or a document that another row of it knows as relevant.
Rows are taken in an order drawn by hash of the seed and put into the first open batch where they fit (first-fit, as in
bin packing with conflicts); a full batch is closed, and when no open batch fits and the window is full, the oldest is
closed as it is.

Source: first-fit for bin packing with conflicts, Jansen and Oehring 1997 (the window bounds its memory and time).
Known weakness: greedy. In a small domain whose examples share most of their negatives, batches stay small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.assemble import AssembleConfig
from pipeline.contract import conform, kept
from pipeline.ids import hash_column, unit_column
from schemas.shards import EXAMPLES, INCOMPLETE_BATCH

_KEY = ("stage", "example_id")
_BLOCK = ("stage", "lane", "block")
_PLAN = "stage int, lane string, block int, example_id string, local int, position int"
_ANY_DOMAIN = "*"


@dataclass(frozen=True)
class Slot:
    """What the planner knows of an example: ids only; documents stand for their duplicate clusters."""

    example_id: str
    query_id: str
    documents: frozenset[str]  # the positive and the negatives: what stands against the others
    known: frozenset[str]  # what may not stand against this query


@dataclass
class _Open:
    """A batch being filled."""

    rows: list[str] = field(default_factory=list)
    queries: set[str] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)

    def fits(self, slot: Slot) -> bool:
        """Return whether the example breaks no rule of this batch."""
        return (
            slot.query_id not in self.queries
            and self.documents.isdisjoint(slot.documents)
            and self.documents.isdisjoint(slot.known)
            and self.known.isdisjoint(slot.documents)
        )

    def add(self, slot: Slot) -> None:
        """Take the example in."""
        self.rows.append(slot.example_id)
        self.queries.add(slot.query_id)
        self.documents |= slot.documents
        self.known |= slot.known


def fill_batches(slots: Iterable[Slot], size: int, window: int) -> Iterator[list[str]]:
    """Yield batches of example ids, up to ``size`` each, every example in exactly one, in an order that slots decide.

    Cost: at most ``window`` set comparisons per slot, each linear in the slot's ids; memory is one window of ids.
    """
    opened: list[_Open] = []
    for slot in slots:
        home = next((batch for batch in opened if batch.fits(slot)), None)
        if home is None:
            if len(opened) == window:
                yield opened.pop(0).rows
            home = _Open()
            opened.append(home)
        home.add(slot)
        if len(home.rows) == size:
            opened.remove(home)
            yield home.rows
    for batch in opened:
        yield batch.rows


def plan_batches(examples: DataFrame, duplicates: DataFrame, config: AssembleConfig, seed: int) -> DataFrame:
    """Give every kept example its batch and position, or say that no batch could take it.

    In:   EXAMPLES without batches, DUPLICATES.
    Out:  EXAMPLES, one row per input row; batches of a stage are counted from 0 in an order drawn by hash.
    Drops: incomplete_batch, for rows whose batch stayed below ``min_batch``.
    Ties: rows and batches are ordered by hash of (seed, ids), then by the ids themselves.
    Cost: the planner moves ids only; one Python call holds one block (``config.block`` rows), blocks run in parallel;
          one sort of all batches (not rows) numbers them.
    """
    planned = _plan_blocks(kept(examples), duplicates, config, seed)
    numbered = _number_batches(planned, seed).select(*_KEY, "batch", "position")
    unplanned = examples.drop("batch", "position")
    joined = unplanned.join(numbered, [*_KEY], how="left")
    is_left = F.col("drop_reason").isNull() & F.col("batch").isNull()
    reason = F.when(is_left, F.lit(INCOMPLETE_BATCH)).otherwise(F.col("drop_reason"))
    return conform(joined.withColumn("drop_reason", reason), EXAMPLES)


def _plan_blocks(examples: DataFrame, duplicates: DataFrame, config: AssembleConfig, seed: int) -> DataFrame:
    """Return (stage, lane, block, example_id, local, position) of the examples that found a batch."""
    slots = _in_blocks(_slots_of(examples, duplicates, config), config, seed)

    def plan(frame: pd.DataFrame) -> pd.DataFrame:
        stage = int(frame["stage"].iloc[0])
        ordered = frame.sort_values(["draw", "example_id"])
        batches = fill_batches(_slots(ordered), config.batch_size(stage), config.window)
        rows = [
            (example_id, local, position)
            for local, batch in enumerate(batches) if len(batch) >= config.min_batch
            for position, example_id in enumerate(batch)
        ]
        found = pd.DataFrame(rows, columns=["example_id", "local", "position"])
        return found.assign(**{name: frame[name].iloc[0] for name in _BLOCK})[
            ["stage", "lane", "block", "example_id", "local", "position"]
        ]

    return slots.groupBy(*_BLOCK).applyInPandas(plan, schema=_PLAN)


def _slots(frame: pd.DataFrame) -> Iterator[Slot]:
    columns = (frame["example_id"], frame["query_id"], frame["documents"], frame["known"])
    for example_id, query_id, documents, known in zip(*columns, strict=True):
        yield Slot(example_id, query_id, frozenset(documents), frozenset(known))


def _slots_of(examples: DataFrame, duplicates: DataFrame, config: AssembleConfig) -> DataFrame:
    """Return each example's ids with documents replaced by their duplicate cluster, and the lane it is planned in."""
    clusters = duplicates.select("doc_id", F.col("survivor_id").alias("cluster"))
    standing = F.concat(F.array("positive_id"), F.col("negative_ids"))
    named = F.concat(_tagged(standing, "documents"), _tagged(F.col("known_ids"), "known"))
    each = examples.select(*_KEY, F.explode(named).alias("one")).select(*_KEY, "one.role", "one.doc_id")
    clustered = each.join(clusters, "doc_id", how="left").withColumn("cluster", F.coalesce("cluster", "doc_id"))
    sets = clustered.groupBy(*_KEY).agg(*[
        F.collect_set(F.when(F.col("role") == role, F.col("cluster"))).alias(role) for role in ("documents", "known")
    ])
    lane = F.lit(_ANY_DOMAIN)
    for stage in (1, 2):
        if config.is_homogeneous(stage):
            lane = F.when(F.col("stage") == stage, F.col("domain")).otherwise(lane)
    return examples.select(*_KEY, "query_id", lane.alias("lane")).join(sets, [*_KEY], how="inner")


def _tagged(ids: Column, role: str) -> Column:
    return F.transform(ids, lambda doc_id: F.struct(F.lit(role).alias("role"), doc_id.alias("doc_id")))


def _in_blocks(slots: DataFrame, config: AssembleConfig, seed: int) -> DataFrame:
    """Add the draw that orders the examples, and the block: lanes over ``config.block`` rows are split by that hash."""
    sizes = slots.groupBy("stage", "lane").agg(F.ceil(F.count("*") / F.lit(config.block)).cast("int").alias("blocks"))
    drawn = slots.withColumn("draw", hash_column(F.lit(str(seed)), F.lit("batch"), F.col("example_id")))
    chosen = F.floor(unit_column(seed, F.lit("block"), F.col("example_id")) * F.col("blocks")).cast("int")
    return drawn.join(F.broadcast(sizes), ["stage", "lane"], how="inner").withColumn("block", chosen).drop("blocks")


def _number_batches(planned: DataFrame, seed: int) -> DataFrame:
    """Add ``batch``, counted from 0 within a stage: domains and blocks are interleaved by hash."""
    identity: Sequence[str] = (*_BLOCK, "local")
    draw = hash_column(F.lit(str(seed)), *[F.col(name) for name in identity])
    order = Window.partitionBy("stage").orderBy("draw", *identity)
    batches = planned.where(F.col("position") == 0).select(*identity).withColumn("draw", draw)
    numbered = batches.withColumn("batch", F.row_number().over(order) - 1).drop("draw")
    return planned.join(numbered, [*identity], how="inner")
