"""A real standalone cluster on this machine: spark-submit runs every stage there and publishes the bytes of a laptop.

A master and two workers are processes on loopback, from the pip-installed Spark. In some stages an executor is killed
(SIGKILL) while it works: the stage ends all the same, with the same bytes. PAIRWRIGHT_CLUSTER_RECIPE names another
recipe than the demo's.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyspark
import pytest

from jobs.runtime.registry import STAGES
from jobs.spark.java import use_java

ROOT = Path(__file__).resolve().parents[2]
SPARK = Path(pyspark.__file__).parent
RECIPE = Path(os.environ.get("PAIRWRIGHT_CLUSTER_RECIPE", ROOT / "jobs" / "recipes" / "pydocs-demo.yaml")).resolve()
CORES = 1  # of each of the two workers
KILLED_IN = frozenset({"ingest", "dedupe", "index", "mine", "label"})


def environment() -> dict[str, str]:
    """What a node has: Java, and the Python in which pairwright is installed."""
    home = str(use_java().home)
    return os.environ | {"JAVA_HOME": home, "SPARK_HOME": str(SPARK), "PYSPARK_PYTHON": sys.executable}


class Node:
    """A master or a worker, as a process with a log."""

    def __init__(self, kind: str, log: Path, *arguments: str) -> None:
        self.log = log
        command = [str(SPARK / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, "--webui-port", "0", *arguments],
                stdout=out,
                stderr=out,
                env=environment(),
                cwd=log.parent,
                start_new_session=True,
            )

    def says(self, pattern: str, seconds: float = 60.0) -> str:
        """Wait until the log has the pattern; return its first group."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.log.read_text(errors="replace")):
                return found.group(1)
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
            time.sleep(0.2)
        raise AssertionError(f"{self.log} never said {pattern}")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a cluster with two workers."""
    home = tmp_path_factory.mktemp("cluster")
    nodes = [Node("master.Master", home / "master.log", "--port", "0")]
    try:
        url = nodes[0].says(r"Starting Spark master at (spark://\S+)")
        size = ("--cores", str(CORES), "--memory", "3g")
        nodes += [Node("worker.Worker", home / f"{name}.log", *size, url) for name in ("one", "two")]
        for worker in nodes[1:]:
            worker.says(r"(Successfully registered with master)")
        yield url
    finally:
        for node in nodes:
            node.stop()


def submit(stage: str, master: str, workspace: Path) -> str:
    """Run one stage on the cluster, and kill an executor of some; return what it printed."""
    settings = {
        "spark.executor.cores": CORES,
        "spark.executor.memory": "1g",
        "spark.cores.max": 2 * CORES,
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": 4,
    }
    running = subprocess.Popen(
        [
            str(SPARK / "bin" / "spark-submit"),
            "--properties-file",
            str(ROOT / "spark-conf" / "standalone.conf"),
            "--master",
            master,
            *(part for key, value in settings.items() for part in ("--conf", f"{key}={value}")),
            str(ROOT / "jobs" / f"{stage}.py"),
            str(RECIPE),
            "--workspace",
            str(workspace),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=workspace,
        env=environment() | {"SPARK_CONF_DIR": str(ROOT / "spark-conf")},
    )
    killed = stage in KILLED_IN and kill_an_executor(running)
    out, err = running.communicate()
    assert running.returncode == 0, f"{stage}\n{out[-2000:]}\n{err[-2000:]}"
    assert killed == (stage in KILLED_IN), f"{stage} ended before an executor could be killed"
    return out.strip().splitlines()[-1] + (", an executor killed" if killed else "")


def kill_an_executor(running: subprocess.Popen[str]) -> bool:
    """Wait until an executor of the cluster has a Python worker, kill the executor; return whether it came to that."""
    started = psutil.Process(running.pid).create_time()
    while running.poll() is None:
        for process in psutil.process_iter(["cmdline", "create_time"]):
            is_ours = process.info["create_time"] >= started
            if is_ours and "CoarseGrainedExecutorBackend" in " ".join(process.info["cmdline"] or []):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.children():
                        process.kill()
                        return True
        time.sleep(0.1)
    return False


def published(workspace: Path) -> dict[str, bytes]:
    (version,) = [path for path in workspace.glob("datasets/*/*") if path.is_dir()]
    return {path.relative_to(version).as_posix(): path.read_bytes() for path in version.rglob("*") if path.is_file()}


def test_the_cluster_publishes_the_bytes_of_a_laptop(
    master: str, tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    laptop, cluster = tmp_path / "laptop", tmp_path / "cluster"
    build = [sys.executable, "-m", "jobs.cli", "build", str(RECIPE), "--workspace", str(laptop), "--until", "publish"]
    subprocess.run(build, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    # The language model's replies are an input here: only through its journal is it reproducible.
    shutil.copytree(laptop / "cache" / "replies", cluster / "cache" / "replies")
    started = time.monotonic()
    for stage in list(STAGES)[: list(STAGES).index("publish") + 1]:
        line = submit(stage, master, cluster)
        with capsys.disabled():
            print(f"\n  {line}", end="")
    with capsys.disabled():
        print(f"\n  cluster: {time.monotonic() - started:.0f} s")

    here, there = published(laptop), published(cluster)
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []
