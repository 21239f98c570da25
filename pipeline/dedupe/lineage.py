"""Where the plan is cut: results that several later steps read are computed once and kept, not planned again."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame

Cut = Callable[[DataFrame], DataFrame]
"""Computes a frame now and returns one that reads the result. The only eager step of this package."""


def cut_lineage(frame: DataFrame) -> DataFrame:
    """Return the frame computed: in the session's checkpoint directory if it has one, else on the executors.

    Cost: one job. Without a checkpoint directory the loss of an executor fails the stage, which is then run again.
    """
    if frame.sparkSession.sparkContext.getCheckpointDir() is None:
        return frame.localCheckpoint()
    return frame.checkpoint()
