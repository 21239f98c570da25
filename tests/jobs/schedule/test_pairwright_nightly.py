"""The DAG, with a stand-in for Airflow: which tasks there are, in which order, and what the gate parts."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

from jobs.runtime.exit_status import AUDIT_FAILED
from jobs.runtime.registry import STAGES
from jobs.schedule import __file__ as home

DAG = Path(home).with_name("pairwright_nightly.py")


class Task:
    """A task that knows what it follows."""

    order: list[str]

    def __init__(self, name: str) -> None:
        self.name = name

    def __rshift__(self, other: Task) -> Task:
        self.order.append(other.name)
        return other


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks in the order in which the DAG chains them, by their ids."""
    Task.order = []
    sdk, exceptions = ModuleType("airflow.sdk"), ModuleType("airflow.sdk.exceptions")

    def task(function=None, task_id=None, pool=None):
        if function is None:
            return lambda given: task(given, task_id, pool)
        return lambda *_: Task(f"{task_id or function.__name__}{'*' if pool else ''}")

    task.short_circuit = task
    sdk.XComArg, sdk.task, sdk.dag = Task, task, lambda **_: lambda function: function
    exceptions.AirflowFailException = RuntimeError
    for name, module in (
        ("airflow", ModuleType("airflow")),
        ("airflow.sdk", sdk),
        ("airflow.sdk.exceptions", exceptions),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    command = tmp_path / "pairwright"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m jobs.cli "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PAIRWRIGHT_COMMAND", str(command))
    monkeypatch.setenv("PYTHONPATH", str(DAG.parents[2]))
    return Task.order


def test_every_stage_is_a_task_in_the_order_of_the_build_and_the_gate_follows_publishing(order: list[str]) -> None:
    module = runpy.run_path(str(DAG))
    tasks = [name.rstrip("*") for name in order]
    assert [name for name in tasks if name != "gate"] == list(STAGES)
    assert tasks.index("gate") == tasks.index("publish") + 1
    assert {name.rstrip("*") for name in order if name.endswith("*")} == module["COSTLY"]
    assert module["AUDIT_FAILED"] == AUDIT_FAILED
