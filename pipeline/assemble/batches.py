"""Planning which examples meet in a batch, and which of them brings a document that several would bring.

Every other row's positive and negatives stand as negatives against a row, so no batch may hold a query twice, a
document (or two of one duplicate cluster) twice in any role, or a document that another row of it knows as relevant.
Rows are taken in an order drawn by hash of the seed and put into the first open batch where they fit whole (first-fit,
as in bin packing with conflicts). Where none does, and the block has as many batches as its rows fill or the window is
full, the row goes to the first batch where it fits with *fewer negatives*: a negative that another row brings already
stands against it all the same, one that another row knows as relevant has to go, and a placed row gives up a negative
for the same reasons.
A full batch is closed; when nothing fits and the window is full, the oldest is closed as it is.

Source: first-fit for bin packing with conflicts, Jansen and Oehring 1997; the window bounds its memory and time.
Known weakness: greedy. In a small domain with few documents the last batches stay small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from pipeline.assemble.config import AssembleConfig
from pipeline.contract import conform, kept
from pipeline.ids import hash_column, unit_column
from schemas.shards import EXAMPLES, INCOMPLETE_BATCH

_KEY = ("stage", "example_id")
_BLOCK = ("stage", "lane", "block")
_PLAN = "stage int, lane string, block int, example_id string, local int, position int, held array<int>"
_PER_NEGATIVE = ("negative_ids", "negatives", "negative_native_ids", "negative_fn", "negative_teacher")
_ANY_DOMAIN = "*"
_KNOWN = -1


class Slot(NamedTuple):
    """What the planner knows of an example: ids only; documents stand for their duplicate clusters."""

    example_id: str
    query_id: str
    positive: str
    negatives: tuple[str, ...]  # hardest first
    known: frozenset[str]  # what may not stand against this query


@dataclass
class Placed:
    """An example in a batch: which of its negatives it still brings (places in its list), and how many it must."""

    example_id: str
    held: list[int]
    fewest: int


@dataclass
class _Open:
    """A batch being filled."""

    rows: list[Placed] = field(default_factory=list)
    queries: set[str] = field(default_factory=set)
    positives: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    owners: dict[str, tuple[Placed, int]] = field(default_factory=dict)  # negative -> its row, place in the row's list

    def holds(self, slot: Slot) -> list[int]:
        """Return the places of the negatives that the example could still bring here."""
        seen = {slot.positive}
        places = []
        for place, document in enumerate(slot.negatives):
            if document in seen or document in self.positives or document in self.known or document in self.owners:
                continue
            seen.add(document)
            places.append(place)
        return places

    def rivals(self, slot: Slot) -> list[str]:
        """Return the negatives of placed rows that would have to go."""
        found = [document for document in slot.known if document in self.owners]
        if slot.positive in self.owners and slot.positive not in slot.known:
            found.append(slot.positive)
        return found

    def is_open_to(self, slot: Slot) -> bool:
        """Return whether query and positive may enter, whatever becomes of negatives."""
        return (
            slot.query_id not in self.queries
            and slot.positive not in self.positives
            and slot.positive not in self.known
            and self.positives.isdisjoint(slot.known)
        )

    def fits_whole(self, slot: Slot, wanted: int) -> bool:
        """Return whether the example fits without the loss of any negative."""
        return self.is_open_to(slot) and len(self.holds(slot)) == wanted and not self.rivals(slot)

    def fits_trimmed(self, slot: Slot, fewest: int) -> bool:
        """Return whether the example fits when it and the placed rows give up some, but keep their fewest."""
        if not self.is_open_to(slot) or len(self.holds(slot)) < fewest:
            return False
        losses: dict[int, int] = {}
        for document in self.rivals(slot):
            row, _ = self.owners[document]
            losses[id(row)] = losses.get(id(row), 0) + 1
            if len(row.held) - losses[id(row)] < row.fewest:
                return False
        return True

    def add(self, slot: Slot, fewest: int) -> None:
        """Take the example in; placed rows give up what stands in its way."""
        for document in self.rivals(slot):
            row, place = self.owners.pop(document)
            row.held.remove(place)
        placed = Placed(slot.example_id, self.holds(slot), fewest)
        self.rows.append(placed)
        self.queries.add(slot.query_id)
        self.positives.add(slot.positive)
        self.known |= slot.known
        self.owners.update({slot.negatives[place]: (placed, place) for place in placed.held})


def fill_batches(slots: Sequence[Slot], size: int, window: int, fewest: int) -> Iterator[list[Placed]]:
    """Yield batches of up to ``size`` examples, every example in exactly one; the slots' order decides theirs.

    An example keeps at least ``fewest`` of its negatives, or all that it has.
    Cost: at most two comparisons with each of ``window`` batches a slot, linear in the slot's ids; memory is one window
    of ids.
    """
    opened: list[_Open] = []
    wanted, started = math.ceil(len(slots) / size), 0
    for slot in slots:
        whole = len(set(slot.negatives) - {slot.positive})
        least = min(fewest, whole)
        home = next((batch for batch in opened if batch.fits_whole(slot, whole)), None)
        if home is None and (started >= wanted or len(opened) == window):
            home = next((batch for batch in opened if batch.fits_trimmed(slot, least)), None)
        if home is None:
            if len(opened) == window:
                yield opened.pop(0).rows
            home = _Open()
            opened.append(home)
            started += 1
        home.add(slot, least)
        if len(home.rows) == size:
            opened.remove(home)
            yield home.rows
    for batch in opened:
        yield batch.rows


def plan_batches(examples: DataFrame, duplicates: DataFrame, config: AssembleConfig, seed: int) -> DataFrame:
    """Give every kept example its batch and position, or say that no batch could take it.

    In:   EXAMPLES without batches, DUPLICATES.
    Out:  EXAMPLES, one row per input row; batches of a stage are counted from 0 in an order drawn by hash. A row in a
          batch may have fewer negatives than it came with: those that its batch does not allow it to bring.
    Drops: incomplete_batch, for rows whose batch stayed below ``min_batch``.
    Ties: rows and batches are ordered by hash of (seed, ids), then by the ids themselves.
    Cost: the planner moves ids only; one Python call holds one block (``config.block`` rows), blocks run in parallel;
          one sort of all batches (not rows) numbers them.
    """
    planned = _plan_blocks(kept(examples), duplicates, config, seed)
    numbered = _number_batches(planned, seed).select(*_KEY, "batch", "position", "held")
    unplanned = examples.drop("batch", "position")
    joined = unplanned.join(numbered, [*_KEY], how="left").withColumns({name: _held(name) for name in _PER_NEGATIVE})
    is_left = F.col("drop_reason").isNull() & F.col("batch").isNull()
    reason = F.when(is_left, F.lit(INCOMPLETE_BATCH)).otherwise(F.col("drop_reason"))
    return conform(joined.withColumn("drop_reason", reason), EXAMPLES)


def _held(name: str) -> Column:
    """Return the entries of an array that the plan holds on to; all of them where there is no plan."""
    held = F.filter(name, lambda _, place: F.array_contains(F.col("held"), place))
    return F.when(F.col("held").isNull(), F.col(name)).otherwise(held)


def _plan_blocks(examples: DataFrame, duplicates: DataFrame, config: AssembleConfig, seed: int) -> DataFrame:
    """Return (stage, lane, block, example_id, local, position, held) of the examples that found a batch."""
    slots = _in_blocks(_slots_of(examples, duplicates, config), config, seed)

    def plan(frame: pd.DataFrame) -> pd.DataFrame:
        stage = int(frame["stage"].iloc[0])
        ordered = frame.sort_values(["draw", "example_id"])
        size = config.batch_size(stage)
        batches = fill_batches(list(_slots(ordered)), size, config.window, config.fewest_negatives)
        rows = [
            (row.example_id, local, position, row.held)
            for local, batch in enumerate(batches)
            if len(batch) >= config.min_batch
            for position, row in enumerate(batch)
        ]
        found = pd.DataFrame(rows, columns=["example_id", "local", "position", "held"])
        return found.assign(**{name: frame[name].iloc[0] for name in _BLOCK})[
            [*_BLOCK, "example_id", "local", "position", "held"]
        ]

    return slots.groupBy(*_BLOCK).applyInPandas(plan, schema=_PLAN)


def _slots(frame: pd.DataFrame) -> Iterator[Slot]:
    columns = (frame[name] for name in ("example_id", "query_id", "standing", "known"))
    for example_id, query_id, standing, known in zip(*columns, strict=True):
        positive, *negatives = standing
        yield Slot(example_id, query_id, positive, tuple(negatives), frozenset(known))


def _slots_of(examples: DataFrame, duplicates: DataFrame, config: AssembleConfig) -> DataFrame:
    """Return each example's ids with documents replaced by their duplicate cluster, and the lane it is planned in."""
    clusters = duplicates.select("doc_id", F.col("survivor_id").alias("cluster"))
    standing = F.concat(F.array("positive_id"), F.col("negative_ids"))  # places count from 0: the positive
    known = F.transform("known_ids", lambda doc_id: F.struct(F.lit(_KNOWN).alias("place"), doc_id.alias("doc_id")))
    places = F.transform(standing, lambda doc_id, place: F.struct(place.alias("place"), doc_id.alias("doc_id")))
    each = examples.select(*_KEY, F.explode(F.concat(places, known)).alias("one")).select(*_KEY, "one.*")
    clustered = each.join(clusters, "doc_id", how="left").withColumn("cluster", F.coalesce("cluster", "doc_id"))
    in_order = F.sort_array(F.collect_list(F.when(F.col("place") != _KNOWN, F.struct("place", "cluster"))))
    sets = clustered.groupBy(*_KEY).agg(
        F.transform(in_order, lambda one: one["cluster"]).alias("standing"),
        F.collect_set(F.when(F.col("place") == _KNOWN, F.col("cluster"))).alias("known"),
    )
    lane = F.lit(_ANY_DOMAIN)
    for stage in (1, 2):
        if config.is_homogeneous(stage):
            lane = F.when(F.col("stage") == stage, F.col("domain")).otherwise(lane)
    return examples.select(*_KEY, "query_id", lane.alias("lane")).join(sets, [*_KEY], how="inner")


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
