"""The one build path: every stage in order, skipping what is complete, then the report."""

from __future__ import annotations

import functools
import importlib
import threading
import time
from collections.abc import Sequence

from jobs.llm.warm_start import start_ahead
from jobs.release.versions import find_published, is_sound, point_current
from jobs.runtime import registry
from jobs.runtime.artefacts import MODEL
from jobs.runtime.failures import spare_success
from jobs.runtime.runner import run_stage
from jobs.runtime.stage_line import stage_line
from jobs.runtime.terminal import Terminal
from jobs.runtime.workspace import Workspace
from jobs.spark.session import under_spark_submit
from jobs.store.files import write_json
from jobs.store.layout import MANIFEST, STAGES_FILE
from schemas.errors import RecipeError, ShardError

LAST = "report"


def build(workspace: Workspace, until: str, terminal: Terminal) -> None:
    """Build every stage up to and including ``until``; ``report`` means all of them and the report.

    Raises: PairwrightError from the first stage that fails; what was complete before it stays complete.
    """
    if until not in (*registry.STAGES, LAST):
        raise RecipeError(f"--until must be one of {', '.join((*registry.STAGES, LAST))}, got {until!r}")
    started, chosen = time.monotonic(), registry.stages_until(until)
    terminal.line(f"recipe {workspace.recipe.name} in {workspace.display_path(workspace.path)}")
    if "publish" in chosen:
        forget_damaged(workspace, terminal)
    built = len(build_stages(workspace, until, terminal))
    workspace.stop_spark()
    if "publish" in chosen:
        point_current(workspace)
        finish(workspace, terminal)
    terminal.line(f"{built} stages built, {len(chosen) - built} kept, {time.monotonic() - started:.0f} s")


def build_stages(workspace: Workspace, until: str, terminal: Terminal, *, is_trial: bool = False) -> list[str]:
    """Run the stages up to and including one that are not complete and return their names; Spark stays up.

    A trial does not become the recipe's latest build, the one that explain shows and gc keeps.
    Raises: PairwrightError from the first stage that fails; what was complete before it stays complete.
    """
    fingerprints = workspace.fingerprints(until)  # a source or model that is not there is said now, not in an hour
    latest = workspace.logs / STAGES_FILE
    is_first, built, there = not latest.exists(), [], dict[str, str]()
    try:
        for name, fingerprint in fingerprints.items():
            if _build_stage(name, workspace, terminal, list(fingerprints)):
                built.append(name)
            there[name] = fingerprint
            if not is_trial and (is_first or len(there) == len(fingerprints)):  # until then the build before it shows
                with spare_success("the list of the build's stages", workspace.logs, terminal.fail):
                    write_json(latest, there)
    finally:
        workspace.stop_server()
    return built


def _build_stage(name: str, workspace: Workspace, terminal: Terminal, chosen: Sequence[str]) -> bool:
    """Run one stage of the chosen ones unless it is complete; return whether it ran."""
    stage = registry.load_stage(name)
    manifest = workspace.manifest(name)
    ran = manifest is None
    if manifest is None:
        if not stage.needs_spark and not under_spark_submit():  # a cluster ends a driver whose Spark has stopped
            workspace.stop_spark()
        _import_ahead()
        if workspace.server is None and any(
            registry.load_stage(each).needs_server and workspace.manifest(each) is None for each in chosen
        ):
            start_ahead(workspace)
        place = f"{chosen.index(name) + 1} of {len(chosen)}"
        with terminal.stage(name, workspace.logs / "build.log", workspace.count_tasks, place):
            manifest = run_stage(stage, workspace, terminal.progress)
        if stage.needs_server:
            workspace.stop_server()
    terminal.line(stage_line(name, manifest, ran, stage.says_none, workspace.reasons_before(stage)))
    return ran


def forget_damaged(workspace: Workspace, terminal: Terminal) -> bool:
    """Have a version that this build published, and whose files are not as they were, published again.

    Out: whether there is one. None is looked for on an object store, which looks after its bytes itself.
    """
    if workspace.store.mirror or workspace.manifest("publish") is None:
        return False
    try:
        version = find_published(workspace)
    except ShardError as error:
        why = str(error)
    else:
        if is_sound(version):
            return False
        why = f"{version} does not match its manifest"
    terminal.line(f"{why}: it is published again")
    (workspace.store.home("publish", workspace.fingerprint("publish")) / MANIFEST).unlink(missing_ok=True)
    return True


@functools.cache
def _import_ahead() -> None:
    """Import Great Expectations, once, while this process waits for Spark: three seconds that no audit spends then."""
    threading.Thread(target=importlib.import_module, args=("great_expectations.expectations",)).start()


def finish(workspace: Workspace, terminal: Terminal) -> None:
    """Write the report, say where things are; what goes wrong here is a line, since all is published."""
    from jobs.views.report import write_report

    terminal.line(f"dataset     {workspace.display_path(find_published(workspace))}")
    table: list[str] = []
    with spare_success("the line of the model", workspace.logs, terminal.fail):
        evaluated = workspace.manifest("evaluate")
        if evaluated is not None:
            terminal.line(f"model       {workspace.display_path(workspace.open_output('train2', MODEL))}")
            table = ["", *evaluated["notes"]["table"]]
    with spare_success("the report", workspace.logs, terminal.fail):
        terminal.line(f"report      {workspace.display_path(write_report(workspace))}")
    for line in table:
        terminal.line(line)
