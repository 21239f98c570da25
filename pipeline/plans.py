"""Where the plan is cut: results that several later steps read are computed once, kept, and known by their size."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

FEW_ROWS = 1 << 20  # of a few numbers each: what may go through the driver to every executor
Cut = Callable[[DataFrame], DataFrame]
"""Computes a frame now and returns one that reads the result. The only eager step of this package."""


def cut_lineage(frame: DataFrame) -> DataFrame:
    """Return the frame computed: in the session's checkpoint directory if it has one, else on the executors.

    Cost: one job. Without a checkpoint directory the loss of an executor fails the stage, which is then run again.
    """
    if frame.sparkSession.sparkContext.getCheckpointDir() is None:
        return frame.localCheckpoint()
    return frame.checkpoint()


def send_few(frame: DataFrame, rows: int) -> DataFrame:
    """Mark the frame to be sent to every executor when it has few rows: what it is joined with is not shuffled then.

    ``rows``, a bound on them, comes from counting what is computed already; Spark itself knows nothing of its size.
    """
    return F.broadcast(frame) if rows <= FEW_ROWS else frame


def spread(frame: DataFrame, *keys: str, tasks: int = 2) -> DataFrame:
    """Return the rows over all cores, that many tasks a core, so that no core waits long for the last one.

    The number is explicit because adaptive execution would otherwise join a few megabytes of text into one partition,
    where one core would do all the work.
    """
    return frame.repartition(tasks * frame.sparkSession.sparkContext.defaultParallelism, *keys)
