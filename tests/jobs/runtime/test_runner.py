"""Stages: complete or invisible, one clear line for every failure, a fingerprint that sees what matters."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.runtime.registry import load_stage
from jobs.runtime.runner import finish_stage, run_stage
from jobs.runtime.stage import Stage
from jobs.runtime.stage_run import StageRun
from jobs.runtime.workspace import Workspace
from pipeline.recipe import load_recipe
from schemas.errors import ContractError, EngineError, PairwrightError, RecipeError


def recipe(folder: Path, extra: str = "") -> Path:
    (folder / "docs.jsonl").write_text(json.dumps({"title": "a", "text": "b"}) + "\n")
    path = folder / "r.yaml"
    path.write_text(f"name: r\nsources:\n  - {{name: s, format: jsonl, path: docs.jsonl}}\n{extra}")
    return path


def make_stage(run: Callable[[StageRun], None], name: str = "ingest") -> Stage:
    return Stage(name=name, version=1, settings=("dedupe",), inputs={}, run=run, artefacts=("out",))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    place = Workspace.open(load_recipe(recipe(tmp_path)), tmp_path / "w")
    monkeypatch.setattr("jobs.runtime.registry.load_stage", lambda _: make_stage(lambda _: None))
    return place


def good(run: StageRun) -> None:
    (run.artefact("out") / "x").write_text("x")
    (run.scratch / "temporary").write_text("y")
    run.note(answer=42)


def test_a_stage_is_complete_with_its_notes_and_leaves_no_scratch(workspace: Workspace) -> None:
    manifest = run_stage(make_stage(good), workspace)
    assert manifest["notes"] == {"answer": 42}
    assert workspace.open_output("ingest", "out").joinpath("x").read_text() == "x"
    assert list((workspace.path / "scratch").iterdir()) == []


def fails(error: Exception) -> Callable[[StageRun], None]:
    def run(run: StageRun) -> None:
        (run.artefact("out") / "half").write_text("x")
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "kind", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), EngineError, "the disk is full; try freeing space"),
        (RuntimeError("java.lang.OutOfMemoryError: heap"), EngineError, "Java ran out of memory"),
        (ValueError("odd"), EngineError, "stage ingest failed: ValueError: odd"),
        (RecipeError("model must be an existing directory"), RecipeError, "model must be an existing directory"),
        (
            RuntimeError("PythonException:\nschemas.errors.ContractError: a key is null\n"),
            ContractError,
            "a key is null",
        ),
    ],
)
def test_a_failed_stage_says_one_line_and_leaves_nothing(
    workspace: Workspace, error: Exception, kind: type[PairwrightError], line: str
) -> None:
    with pytest.raises(kind, match=line) as caught:
        run_stage(make_stage(fails(error)), workspace)
    assert "\n" not in str(caught.value)
    assert workspace.manifest("ingest") is None
    assert not list((workspace.path / "tables").rglob("half"))


def test_a_stage_that_forgets_an_output_fails(workspace: Workspace) -> None:
    with pytest.raises(EngineError, match="wrote no out"):
        run_stage(make_stage(lambda _: None), workspace)


def test_an_interrupted_stage_leaves_nothing(workspace: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_stage(make_stage(fails(KeyboardInterrupt())), workspace)  # type: ignore[arg-type]
    assert workspace.manifest("ingest") is None


def test_an_input_that_is_not_built_is_named(tmp_path: Path) -> None:
    place = Workspace.open(load_recipe(recipe(tmp_path)), tmp_path / "w")
    with pytest.raises(RecipeError, match="stage ingest is not built"):
        run_stage(load_stage("dedupe"), place)


def test_what_follows_a_stage_comes_once_its_outputs_exist_and_not_where_they_do_not(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def finish(run: StageRun) -> None:
        seen.append((run.artefact("out") / "x").read_text())
        assert workspace.manifest("ingest") is not None

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    stage = replace(make_stage(good), finish=finish)
    with monkeypatch.context() as broken:
        broken.setattr(workspace.store, "commit", full)
        with pytest.raises(EngineError):
            run_stage(stage, workspace)
    assert seen == []
    run_stage(stage, workspace)
    finish_stage(stage, workspace)
    assert seen == ["x", "x"]
