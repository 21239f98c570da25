"""How far Spark is with what it runs now, as its status tracker has it."""

from __future__ import annotations

from pyspark.sql import SparkSession


def count_tasks(session: SparkSession) -> tuple[int, int] | None:
    """Return how many tasks of the running Spark stages are done, and of how many; None while nothing runs.

    Stages that wait are not counted: of some of them the output is there already, and they never run.
    """
    tracker = session.sparkContext.statusTracker()
    infos = [tracker.getStageInfo(each) for each in tracker.getActiveStageIds()]
    known = [info for info in infos if info is not None]
    if not known:
        return None
    return sum(info.numCompletedTasks for info in known), sum(info.numTasks for info in known)
