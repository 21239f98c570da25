"""Costly engines ask for one GPU a task where executors have some, and nothing changes where they have none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.spark.class_archive import archive_flags
from jobs.spark.java import use_java
from jobs.spark.session import CONF_HOME, read_conf
from pipeline import placement
from pipeline.placement import device_profile, spread_over_devices
from pipeline.plans import spread

ROOT = Path(__file__).resolve().parents[2]
# Two workers of two cores; each says that it has two GPUs, which nobody touches.
CLUSTER = """
import json, sys
import numpy as np
from pyspark import TaskContext
from pyspark.sql import SparkSession
from pipeline.index.encode import encode_texts

class Teller:
    digest = "d"
    def encode(self, texts):
        context = TaskContext.get()
        given = context.resources().get("gpu")
        where = [context.cpus(), *(float(address) for address in (given.addresses if given else []))]
        return np.tile(np.float32(where), (len(texts), 1))

builder = SparkSession.builder.master("local-cluster[1,2,1024]")
for key, value in json.loads(sys.argv[1]).items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
texts = spark.createDataFrame([(str(row), f"text {row}") for row in range(64)], "id string, text string")
before = texts.rdd.map(lambda _: sorted(TaskContext.get().resources())).collect()
found = encode_texts(texts, "id", "text", Teller).collect()
print(json.dumps({"before": before[0], "vectors": sorted({tuple(row.vector) for row in found}), "rows": len(found)}))
spark.stop()
"""


def test_without_gpus_nothing_is_asked_for(spark) -> None:
    frame = spark.range(10)
    assert device_profile(frame) is None
    placed = spread_over_devices(frame, "id", tasks=3)
    assert placed.rdd.getNumPartitions() == spread(frame, "id", tasks=3).rdd.getNumPartitions() == 6


def test_local_mode_runs_as_many_tasks_as_there_are_gpus(spark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_AMOUNT", "spark.default.parallelism")  # 2 in this session
    frame = spark.range(10)
    assert device_profile(frame) is None, "local mode knows no profiles"
    placed = spread_over_devices(frame, "id", tasks=4)
    assert placed.rdd.getNumPartitions() == 2
    assert sorted(row.id for row in placed.collect()) == list(range(10))


def test_a_task_that_encodes_has_a_gpu_of_its_own_and_the_others_have_none(tmp_path: Path) -> None:
    script = tmp_path / "gpus.sh"
    script.write_text('#!/bin/sh\necho \'{"name": "gpu", "addresses": ["0", "1"]}\'\n')
    script.chmod(0o755)
    brief = read_conf(CONF_HOME / "local.conf")["spark.driver.extraJavaOptions"]
    settings = {
        "spark.driver.extraJavaOptions": f"{brief} {archive_flags(use_java())}",
        "spark.executor.extraJavaOptions": brief,
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        "spark.executor.memory": "512m",
        "spark.sql.shuffle.partitions": "2",
        **{
            f"spark.{who}.resource.gpu.{what}": value
            for who in ("worker", "executor")
            for what, value in (("amount", "2"), ("discoveryScript", str(script)))
        },
    }
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER, json.dumps(settings)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"before": [], "vectors": [[1.0, 0.0], [1.0, 1.0]], "rows": 64}
