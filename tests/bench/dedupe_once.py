"""One dedupe from Parquet to Parquet in a process of its own: ``python -m tests.bench.dedupe_once JSON``.

Does what the stage does: reads DOCUMENTS, writes DUPLICATES, then DOCUMENTS with the reasons. Prints one JSON line.
With ``again`` it does so twice: the second time Java has loaded its classes, as in a build, where stages came before.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from pyspark.sql import DataFrame, SparkSession

from jobs.memory import PeakMemory, driver_mb
from jobs.session import start_session
from pipeline.contract import spark_schema
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.lineage import cut_lineage
from pipeline.dedupe.survivors import drop_duplicates, find_duplicates
from schemas.documents import DOCUMENTS, DUPLICATES


def cpu_seconds() -> float:
    """Return the processor time of this process and those that live below it."""
    me = psutil.Process()
    times = [process.cpu_times() for process in [me, *me.children(recursive=True)]]
    return sum(each.user + each.system for each in times)


def dedupe_once(given: dict[str, Any]) -> dict[str, Any]:
    """Dedupe ``documents`` into ``out`` under ``settings``; ``spark`` are settings of the session.

    Out: seconds from the process's start and from the session's, what each step took, memory and counts.
    """
    process = psutil.Process()
    out = Path(given["out"])
    out.mkdir(parents=True)
    spark = start_session("bench-dedupe", out / "spark.log", extra=given.get("spark"))
    started_cpu = cpu_seconds()
    cfg = DedupeConfig.from_mapping(given.get("settings", {}))
    with PeakMemory() as peak, PeakMemory(measure=driver_mb) as driver:
        steps = _dedupe(spark, Path(given["documents"]), out, cfg)
        found = {"seconds_with_start": time.time() - process.create_time(), "cpu_seconds": cpu_seconds() - started_cpu}
        again = _dedupe(spark, Path(given["documents"]), out / "again", cfg) if given.get("again") else {}
    spark.stop()
    return {**found, "seconds": sum(steps.values()), "steps": steps, "seconds_again": sum(again.values()),
            "steps_again": again, "cpu_seconds_of_start": started_cpu, "peak_mb": peak.mb, "driver_mb": driver.mb}


def _dedupe(spark: SparkSession, source: Path, out: Path, cfg: DedupeConfig) -> dict[str, float]:
    """Return the seconds of each step."""
    steps: dict[str, float] = {}
    last = time.time()

    def timed(name: str) -> None:
        nonlocal last
        now = time.time()
        steps[name], last = round(now - last, 3), now

    def cut(frame: DataFrame) -> DataFrame:
        found = cut_lineage(frame)
        timed(f"cut {len(steps) + 1}: {', '.join(found.columns)}")
        return found

    documents = spark.read.schema(spark_schema(DOCUMENTS)).parquet(str(source))
    find_duplicates(documents, cfg, cut).write.parquet(str(out / DUPLICATES.name))
    timed("write duplicates")
    duplicates = spark.read.schema(spark_schema(DUPLICATES)).parquet(str(out / DUPLICATES.name))
    drop_duplicates(documents, duplicates).write.parquet(str(out / DOCUMENTS.name))
    timed("write documents")
    return steps


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        result = dedupe_once(json.loads(sys.argv[1]))
    print(json.dumps(result), flush=True)
