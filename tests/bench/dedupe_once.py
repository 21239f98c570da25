"""One dedupe from Parquet to Parquet in a process of its own: ``python -m tests.bench.dedupe_once JSON``.

Does what the stage does: reads DOCUMENTS, writes DUPLICATES, then DOCUMENTS with the reasons. Prints one JSON line.
With ``ingest``, a recipe, the session builds that recipe's stage ingest first, as in a build; no clock counts it.
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

from jobs.runtime.memory import PeakMemory, driver_mb, tree_mb
from jobs.runtime.registry import load_stage
from jobs.runtime.runner import run_stage
from jobs.runtime.workspace import Workspace
from jobs.spark.session import start_session
from pipeline.contract import frame_of, spark_schema
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.survivors import drop_duplicates, find_duplicates
from pipeline.plans import cut_lineage
from pipeline.recipe import load_recipe
from schemas.documents import DOCUMENTS, DUPLICATES, JUDGEMENTS


def dedupe_once(given: dict[str, Any]) -> dict[str, Any]:
    """Dedupe ``documents`` into ``out`` under ``settings``; ``spark`` are settings of the session.

    Out: seconds of the dedupe, from the process's start and in all its steps, what each step took, and the memory at
    the peak: of all processes, as in a build; with ``driver_only`` of Spark's driver.
    """
    process = psutil.Process()
    out = Path(given["out"])
    out.mkdir(parents=True)
    if given.get("ingest"):
        place = Workspace.open(load_recipe(Path(given["ingest"])), out / "workspace")
        run_stage(load_stage("ingest"), place)
        spark = place.spark()
    else:
        spark = start_session("bench-dedupe", out / "spark.log", extra=given.get("spark"))
    cfg = DedupeConfig.from_mapping(given.get("settings", {}))
    with PeakMemory(measure=driver_mb if given.get("driver_only") else tree_mb) as peak:
        steps = _dedupe(spark, Path(given["documents"]), out, cfg)
        whole = time.time() - process.create_time()
    spark.stop()
    return {"seconds_with_start": whole, "seconds": sum(steps.values()), "steps": steps, "peak_mb": peak.mb}


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
    find_duplicates(documents, frame_of(spark, JUDGEMENTS, []), cfg, cut).write.parquet(str(out / DUPLICATES.name))
    timed("write duplicates")
    duplicates = spark.read.schema(spark_schema(DUPLICATES)).parquet(str(out / DUPLICATES.name))
    drop_duplicates(documents, duplicates).write.parquet(str(out / DOCUMENTS.name))
    timed("write documents")
    return steps


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        result = dedupe_once(json.loads(sys.argv[1]))
    print(json.dumps(result), flush=True)
