"""Where the costly engines run: on the executors' GPUs where the session's settings say that there are some.

An encoder or a cross-encoder on a CPU is a worker process a core, one thread each: threads that share a sum would round
it in another way. On GPUs it is one task a GPU, asked for by a resource profile of the tasks alone, so that the stages
before and after it run on all cores of the same executors, whatever the cluster (standalone, YARN, Kubernetes). Local
mode knows no profiles; there are as many tasks as GPUs then.
"""

from __future__ import annotations

from pyspark.resource import ResourceProfile, ResourceProfileBuilder, TaskResourceRequests
from pyspark.sql import DataFrame

from pipeline.plans import spread

GPU = "gpu"
_AMOUNT = "spark.executor.resource.gpu.amount"


def spread_over_devices(frame: DataFrame, *keys: str, tasks: int) -> DataFrame:
    """Return the rows over all cores, that many tasks a core; over the GPUs in local mode."""
    gpus = _gpus(frame)
    return frame.repartition(gpus, *keys) if gpus and _is_local(frame) else spread(frame, *keys, tasks=tasks)


def device_profile(frame: DataFrame) -> ResourceProfile | None:
    """Return what a task over the frame asks for: a GPU and a core where executors have GPUs, otherwise nothing."""
    if not _gpus(frame) or _is_local(frame):
        return None
    wanted = TaskResourceRequests().cpus(1).resource(GPU, 1)
    return ResourceProfileBuilder().require(wanted).build


def _gpus(frame: DataFrame) -> int:
    return int(frame.sparkSession.sparkContext.getConf().get(_AMOUNT) or 0)


def _is_local(frame: DataFrame) -> bool:
    master = frame.sparkSession.sparkContext.master
    return master is not None and (master == "local" or master.startswith("local["))
