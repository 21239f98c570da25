"""What an engine may use where it is opened: the GPU and the cores that Spark gave to this task."""

from __future__ import annotations

from pyspark import TaskContext

from pipeline.placement import GPU

MOST_DEVICES = 8  # of a machine: a worker that is used again may be given another GPU, and keeps what it opened


def task_device() -> str:
    """Return the GPU that Spark gave to this task, else one by its partition, else the CPU; outside a task the first.

    In local mode Spark gives none, and there are as many tasks as GPUs (``spread_over_devices``).
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return "cpu"
    context = TaskContext.get()
    given = context.resources().get(GPU) if context else None
    # A container that shows its own GPUs only counts them from 0, whatever the node calls them.
    address = int(given.addresses[0]) if given else context.partitionId() if context else 0
    return f"cuda:{address % count}"


def task_cores() -> int:
    """Return the cores of this task (``spark.task.cpus``); 1 outside a task."""
    context = TaskContext.get()
    return max(1, context.cpus()) if context else 1
