"""Runs a stage: the same way for the build, by hand, or under spark-submit."""

from __future__ import annotations

import time
from typing import Any

from jobs.contracts.expectations import check_outputs
from jobs.runtime.failures import explain_failure
from jobs.runtime.memory import PeakMemory, release_free
from jobs.runtime.openlineage import send_events
from jobs.runtime.stage import Progress, Stage, name_of
from jobs.runtime.stage_run import StageRun
from jobs.runtime.workspace import Workspace
from jobs.store.layout import DOCS
from schemas.errors import EngineError, PairwrightError


def run_stage(stage: Stage, workspace: Workspace, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Build one stage's outputs and return their manifest; inputs must be complete.

    Raises: PairwrightError with one clear line; whatever else goes wrong inside an engine becomes an EngineError that
    names the log. A failed stage leaves nothing that a reader can see.
    """
    for maker in dict.fromkeys(stage.inputs.values()):
        workspace.require(maker)
    inputs = {f"{maker}/{name_of(what)}": workspace.fingerprint(maker) for what, maker in stage.inputs.items()}
    with send_events(f"{workspace.recipe.name}.{stage.name}", workspace.uri, inputs) as events:
        if not (stage.is_resumable and workspace.store.resume(stage.name, workspace.fingerprint(stage.name))):
            _run_anew(stage, workspace, progress)
        finish_stage(stage, workspace)
        manifest = workspace.require(stage.name)
        if events is not None:
            events.keep_outputs(manifest, stage.outputs)
    return manifest


def finish_stage(stage: Stage, workspace: Workspace) -> None:
    """Do what follows once a stage's outputs exist. Raises: EngineError when the file system refuses."""
    if stage.finish is not None:
        try:
            stage.finish(
                StageRun(stage, workspace, workspace.store.home(stage.name, workspace.fingerprint(stage.name)))
            )
        except OSError as error:
            raise explain_failure(error, stage.name, workspace.logs) from error


def _run_anew(stage: Stage, workspace: Workspace, progress: Progress) -> None:
    fingerprint = workspace.fingerprint(stage.name)
    run = StageRun(stage, workspace, workspace.store.begin(stage.name, fingerprint), progress)
    started = time.monotonic()
    try:
        with PeakMemory() as peak:
            stage.run(run)
        missing = {*(table.name for table in stage.outputs), *stage.artefacts} - run.outputs.keys()
        if missing:
            raise EngineError(f"stage {stage.name} wrote no {', '.join(sorted(missing))}")
        if stage.external:
            _check_unchanged(stage, workspace)
        if stage.leaves:
            _check_contracts(run)
        about = {
            "inputs": {name_of(what): [maker, workspace.fingerprint(maker)] for what, maker in stage.inputs.items()},
            "notes": run.notes,
            "seconds": round(time.monotonic() - started, 2),
            "peak_mb": round(peak.mb),
        }
        workspace.store.commit(stage.name, fingerprint, run.outputs, about)
    except BaseException as error:
        workspace.store.abandon(stage.name, fingerprint)
        if isinstance(error, PairwrightError) or not isinstance(error, Exception):
            raise
        raise explain_failure(error, stage.name, workspace.logs) from error
    finally:
        run.close()
        release_free()


def _check_unchanged(stage: Stage, workspace: Workspace) -> None:
    """Look once more at what was read from outside: the fingerprint was made before it was read.

    Raises: EngineError that names what changed.
    """
    before, now = workspace.digests(stage.name), stage.digests(workspace.recipe)
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if changed:
        raise EngineError(
            f"{', '.join(changed)} must stay as it is while stage {stage.name} reads it, but its files changed; "
            "nothing was stored, try running the same command again"
        )


def _check_contracts(run: StageRun) -> None:
    """Hold what the stage wrote against its contracts. Raises: AuditError that names what does not hold."""
    started = time.monotonic()
    written = {table: run.home / table.name for table in run.stage.outputs}
    held = check_outputs(run.stage.name, written, run.openers(), run.log_dir / DOCS)
    run.note(expectations=held, audit_seconds=round(time.monotonic() - started, 2))
