"""The nightly build as an Airflow 3 DAG: one task a stage, retries, a publish gate, a pool for the costly stages.

Airflow lives in an environment of its own and calls the ``pairwright`` command of another. Copy or link this file
into the DAGs folder, make the pool once (``airflow pools set pairwright_gpu 1 "one costly stage at a time"``) and set

    PAIRWRIGHT_COMMAND    the command, e.g. /srv/pairwright/.venv/bin/pairwright
    PAIRWRIGHT_RECIPE     the recipe
    PAIRWRIGHT_WORKSPACE  where it is built: a path that the Airflow workers see

A task is safe to repeat, because a stage that is complete is not built again. The gate lets training begin only when
the published version has changed; a night with nothing new ends there, with the training tasks skipped.
"""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import XComArg, dag, task
from airflow.sdk.exceptions import AirflowFailException

PUBLISH = "publish"  # the stages after it train and measure, and wait for the gate
COSTLY = frozenset({"index", "synthesise", "mine", "label", "train1", "train2", "evaluate"})
POOL = "pairwright_gpu"
AUDIT_FAILED = 4  # the exit status of a dataset that broke its expectations


def settings() -> tuple[str, str, str]:
    """Return command, recipe and workspace."""
    return (
        os.environ.get("PAIRWRIGHT_COMMAND", "pairwright"),
        os.environ["PAIRWRIGHT_RECIPE"],
        os.environ.get("PAIRWRIGHT_WORKSPACE", "workspace"),
    )


def list_stages() -> list[str]:
    """Return the stages in the order of the build, as the installed command has them."""
    command = os.environ.get("PAIRWRIGHT_COMMAND", "pairwright")
    done = subprocess.run([command, "recipe", "--stages"], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.split()


def current_version(workspace: str) -> str:
    """Return what every CURRENT of the workspace names."""
    if "://" in workspace:  # the gate would never open
        raise AirflowFailException(f"PAIRWRIGHT_WORKSPACE must be a path, got {workspace!r}; try a mounted file system")
    pointers = sorted(Path(workspace).glob("datasets/*/CURRENT"))
    return " ".join(pointer.read_text(encoding="utf-8").strip() for pointer in pointers)


def run_stage(stage: str) -> None:
    """Run one stage; a failed audit is not tried again."""
    command, recipe, workspace = settings()
    done = subprocess.run([command, "stage", stage, recipe, "--workspace", workspace], check=False)
    if done.returncode == AUDIT_FAILED:
        raise AirflowFailException(f"stage {stage}: the audit failed; nothing was published")
    done.check_returncode()


@dag(
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["pairwright"],
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True},
)
def pairwright_nightly() -> None:
    """Build, publish, and train when what is published has changed."""

    @task
    def remember() -> str:
        return current_version(settings()[2])

    @task.short_circuit
    def gate(before: str) -> bool:
        return current_version(settings()[2]) != before

    def stage_task(name: str) -> XComArg:
        pool = {"pool": POOL} if name in COSTLY else {}
        return task(task_id=name, **pool)(run_stage)(name)

    last = before = remember()
    for name in list_stages():
        last = last >> stage_task(name)
        if name == PUBLISH:
            last = last >> gate(before)


pairwright_nightly()
