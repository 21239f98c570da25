"""A workspace: opened by what a command names, and left whatever state Spark is in."""

from pathlib import Path

import pytest

from jobs.runtime import workspace as module
from jobs.runtime.workspace import Workspace, open_workspace, read_spark_settings
from schemas.errors import RecipeError


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "docs.jsonl").write_text("{}")
    (tmp_path / "r.yaml").write_text("name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")
    return open_workspace(tmp_path / "r.yaml", str(tmp_path / "w"))


def test_spark_whose_jvm_is_gone_is_stopped(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(module, "stop_session", stop)
    workspace._spark = object()
    workspace.stop_spark()
    assert workspace.count_tasks() is None


def test_a_setting_of_spark_must_have_a_value() -> None:
    assert read_spark_settings(["a.b=1", "c=d=e"]) == {"a.b": "1", "c": "d=e"}
    with pytest.raises(RecipeError, match=r"--conf must be KEY=VALUE, got \['a.b'\]; try --conf spark"):
        read_spark_settings(["a.b"])
