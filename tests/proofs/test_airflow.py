"""The nightly DAG, run by Airflow: every stage a task, a dataset and a model at the end; then a night without news."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPE = Path(os.environ.get("PAIRWRIGHT_AIRFLOW_RECIPE", ROOT / "jobs" / "recipes" / "pydocs-demo.yaml")).resolve()
DAG = "pairwright_nightly"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory):
    """Run the airflow command in a home of its own; the workspace of its builds is ``airflow.workspace``."""
    if (command := os.environ.get("PAIRWRIGHT_AIRFLOW")) is None:
        pytest.skip("Airflow is not set up; run: make test-airflow")
    home = tmp_path_factory.mktemp("airflow")
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "jobs" / "schedule"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PAIRWRIGHT_COMMAND": str(Path(sys.executable).parent / "pairwright"),
        "PAIRWRIGHT_RECIPE": str(RECIPE),
        "PAIRWRIGHT_WORKSPACE": str(home / "workspace"),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run([command, *arguments], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    run.workspace = home / "workspace"
    run("db", "migrate")
    run("pools", "set", "pairwright_gpu", "1", "one costly stage at a time")
    return run


def rows_in(printed: str) -> list[dict[str, str]]:
    """Return the rows of JSON that a command printed, which may have logged before."""
    return json.loads(next(line for line in printed.splitlines() if line.startswith("[{")))


def seconds_of(task: dict[str, str]) -> str:
    """Return how long a task took; that it did not run otherwise."""
    if task["state"] != "success":
        return task["state"]
    return f"{(datetime.fromisoformat(task['end_date']) - datetime.fromisoformat(task['start_date'])).seconds} s"


def states(airflow, night: str, capsys) -> dict[str, str]:
    """Run the DAG for one night, say how long each task took, and return its state."""
    airflow("dags", "test", DAG, night)
    (run_id,) = [
        run["run_id"]
        for run in rows_in(airflow("dags", "list-runs", DAG, "--output", "json"))
        if run["logical_date"].startswith(night)
    ]
    found = rows_in(airflow("tasks", "states-for-dag-run", DAG, run_id, "--output", "json"))
    found.sort(key=lambda task: task["start_date"] or "9")  # what never began stands last
    with capsys.disabled():
        print(f"\n  {night}: " + ", ".join(f"{task['task_id']} {seconds_of(task)}" for task in found), end="")
    return {task["task_id"]: task["state"] for task in found}


def test_a_night_publishes_and_trains_and_the_next_has_nothing_to_do(airflow, capsys):
    first = states(airflow, "2026-03-01", capsys)
    assert set(first.values()) == {"success"}, first
    assert len(list(airflow.workspace.glob("datasets/*/CURRENT"))) == 1
    assert len(list(airflow.workspace.glob("tables/train2/*/model/*.safetensors"))) == 1

    second = states(airflow, "2026-03-02", capsys)
    assert {second[name] for name in ("train1", "train2", "evaluate")} == {"skipped"}
    assert {second[name] for name in ("ingest", "publish", "gate")} == {"success"}
