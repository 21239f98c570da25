"""What a running stage is handed, and how one is run: by the build, by hand, or by spark-submit."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.runtime.failures import explained
from jobs.runtime.memory import PeakMemory, release_free
from jobs.runtime.openlineage import told_lineage
from jobs.runtime.stage import Stage, load_stage, name_of
from jobs.runtime.workspace import Workspace, made
from jobs.spark.session import under_spark_submit
from jobs.store.tables import count_rows
from pipeline.contract import spark_schema
from schemas.errors import EngineError, PairwrightError
from schemas.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from jobs.engines.vllm.server import VllmServer

Progress = Callable[[int, int, str], None]


class StageRun:
    """What a running stage is handed: its recipe, its inputs, and the places for its outputs."""

    def __init__(self, stage: Stage, workspace: Workspace, home: Path, progress: Progress) -> None:
        """Prepare a run; :func:`run_stage` does."""
        self.stage = stage
        self.recipe = workspace.recipe
        self.progress = progress
        self.notes: dict[str, Any] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self._workspace = workspace
        self._home = home
        self._scratch: Path | None = None

    @property
    def spark(self) -> SparkSession:
        """The Spark session, started at the first use."""
        return self._workspace.spark()

    @property
    def workspace(self) -> Path:
        """The folder of the workspace."""
        return self._workspace.path

    @property
    def cache_dir(self) -> Path:
        """A folder for results keyed by content, kept between builds."""
        if self._workspace.store.mirror:
            self._workspace.store.mirror.pull_caches()
        return made(self._workspace.path / "cache")

    @property
    def log_dir(self) -> Path:
        """The folder of this recipe's logs."""
        return self._workspace.logs

    @property
    def models(self) -> Path:
        """The folder that holds the models which a recipe names without a path."""
        return self.recipe.models_home()

    @property
    def scratch(self) -> Path:
        """A folder of this run, deleted when the stage ends."""
        if self._scratch is None:
            self._scratch = Path(
                tempfile.mkdtemp(prefix=f"{self.stage.name}-", dir=made(self._workspace.path / "scratch"))
            )
        return self._scratch

    def fetched(self, version: Path) -> Path:
        """Return the directory of a published version, its files on this machine."""
        if self._workspace.store.mirror:
            self._workspace.store.mirror.pull_version(version)
        return version

    def stop_spark(self) -> None:
        """Stop Spark for a stage that needs the memory elsewhere; the next use starts it again.

        Under spark-submit it stays: a cluster takes a driver whose Spark stopped for one that has finished.
        """
        if not under_spark_submit():
            self._workspace.stop_spark()

    @property
    def server_ahead(self) -> VllmServer | None:
        """The server that was started while earlier stages ran, if one was."""
        return self._workspace.server

    def read(self, table: Table) -> DataFrame:
        """Return an input table, dropped rows included. Raises: ShardError when it is damaged."""
        return self._frame(self.source_of(table), table)

    def source_of(self, what: Table | str) -> Path:
        """Return the directory of an input table or artefact."""
        maker = {name_of(key): stage for key, stage in self.stage.inputs.items()}[name_of(what)]
        return self._workspace.open_output(maker, name_of(what))

    def open_output(self, stage: str, name: str) -> Path:
        """Return the directory of an output of an input stage, for names that several stages give their outputs."""
        return self._workspace.open_output(stage, name)

    def notes_of(self, stage: str) -> dict[str, Any]:
        """Return what an input stage noted. Raises: RecipeError when it is not built."""
        return self._workspace.complete(stage)["notes"]  # type: ignore[no-any-return]

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests of what this stage reads from outside, as its fingerprint has them."""
        return self._workspace.digests(self.stage.name)

    def fingerprint_of(self, stage: str) -> str:
        """Return the fingerprint of a stage."""
        return self._workspace.fingerprint(stage)

    def write(self, frame: DataFrame, table: Table) -> None:
        """Write an output table and count its rows by drop_reason."""
        path = self._home / table.name
        frame.write.mode("overwrite").parquet(str(path))
        self.outputs[table.name] = count_rows(path, "drop_reason" in table.names)

    def written(self, table: Table) -> DataFrame:
        """Return an output that this run has written, read back: shared work is not done twice."""
        return self._frame(self._home / table.name, table)

    def tables(self) -> dict[str, Callable[[], DataFrame]]:
        """Return what opens each table by name: an output of this run, an input, or what that was made from."""
        found: dict[str, Callable[[], DataFrame]] = {
            table.name: partial(self.written, table) for table in self.stage.outputs
        }
        nearest = [self.stage]
        for stage in nearest:  # grows
            for what, maker in stage.inputs.items():
                nearest += [each for each in [load_stage(maker)] if each not in nearest]
                if isinstance(what, Table) and what.name not in found:
                    found[what.name] = partial(self._open, maker, what)
        return found

    def _open(self, maker: str, table: Table) -> DataFrame:
        return self._frame(self._workspace.open_output(maker, table.name), table)

    def as_written(self, table: Table) -> DataFrame:
        """Return an output that this run has written, with the columns and types that the files have."""
        return self.spark.read.parquet(str(self.place_of(table)))

    def place_of(self, table: Table) -> Path:
        """Return the directory of an output that this run has written."""
        return self._home / table.name

    def artefact(self, name: str) -> Path:
        """Return the directory to fill for an artefact."""
        self.outputs.setdefault(name, {})
        return made(self._home / name)

    def makers(self) -> dict[str, str]:
        """Return the fingerprints of the stages up to and including this one: what a version was made from."""
        return self._workspace.fingerprints(self.stage.name)

    def note(self, **figures: Any) -> None:
        """Keep JSON-able figures in the stage's manifest, for the report and for later stages."""
        self.notes.update(figures)

    @contextmanager
    def timed(self, engine: str) -> Iterator[None]:
        """Note the seconds of the block under the costly engine that works in it: encoder, cross_encoder or llm."""
        started = time.monotonic()
        yield
        self.spent(engine, time.monotonic() - started)

    def spent(self, engine: str, seconds: float) -> None:
        """Add to the seconds noted under an engine."""
        noted = self.notes.setdefault("engine_seconds", {})
        noted[engine] = round(noted.get(engine, 0.0) + seconds, 2)

    def _frame(self, path: Path, table: Table) -> DataFrame:
        return self.spark.read.schema(spark_schema(table)).parquet(str(path))

    def close(self) -> None:
        """Delete the scratch folder."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


def run_stage(stage: Stage, workspace: Workspace, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Build one stage's outputs and return their manifest; inputs must be complete.

    Raises: PairwrightError with one clear line; whatever else goes wrong inside an engine becomes an EngineError that
    names the log. A failed stage leaves nothing that a reader can see.
    """
    for maker in dict.fromkeys(stage.inputs.values()):
        workspace.complete(maker)
    inputs = {f"{maker}/{name_of(what)}": workspace.fingerprint(maker) for what, maker in stage.inputs.items()}
    with told_lineage(f"{workspace.recipe.name}.{stage.name}", workspace.uri, inputs) as events:
        manifest = _run_stage(stage, workspace, progress)
        if events is not None:
            events.completed(manifest, stage.outputs)
    return manifest


def _run_stage(stage: Stage, workspace: Workspace, progress: Progress) -> dict[str, Any]:
    fingerprint = workspace.fingerprint(stage.name)
    # Publishing moves CURRENT as well, and costs seconds: it runs again.
    if stage.name != "publish" and workspace.store.resume(stage.name, fingerprint):
        return workspace.complete(stage.name)
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
        workspace.store.commit(
            stage.name,
            fingerprint,
            run.outputs,
            {
                "inputs": {
                    name_of(what): [maker, workspace.fingerprint(maker)] for what, maker in stage.inputs.items()
                },
                "notes": run.notes,
                "seconds": round(time.monotonic() - started, 2),
                "peak_mb": round(peak.mb),
            },
        )
    except BaseException as error:
        workspace.store.abandon(stage.name, fingerprint)
        if isinstance(error, PairwrightError) or not isinstance(error, Exception):
            raise
        raise explained(error, stage.name, workspace.logs) from error
    finally:
        run.close()
        release_free()
    return workspace.complete(stage.name)


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
    from jobs.contracts.expectations import check_outputs  # it stands on this module

    started = time.monotonic()
    held = check_outputs(run)
    run.note(expectations=held, audit_seconds=round(time.monotonic() - started, 2))
