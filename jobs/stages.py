"""What a stage is, what it is handed, and how one is run: by the build, by hand, or by spark-submit.

A stage's *fingerprint* is the hash of its name and code version, the recipe sections that decide its result, digests
of what it reads from outside (source files, model files) and the fingerprints of its inputs. An output that is
complete under its fingerprint is never built twice: that is resume, and that is what makes a second build cheap.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.failures import explained
from jobs.lease import Lease
from jobs.lineage import told_lineage
from jobs.memory import PeakMemory
from jobs.mirror import open_store
from jobs.remote import MIRRORS
from jobs.session import start_session, stop_session, under_spark_submit
from jobs.store import Store, count_rows, digest_of
from pipeline.contract import spark_schema
from pipeline.recipe import Recipe, load_recipe
from schemas.errors import EngineError, PairwrightError, RecipeError
from schemas.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Where each stage is defined, in the order of the build.
STAGES: dict[str, str] = {
    "ingest": "jobs.ingest:STAGE",
    "dedupe": "jobs.dedupe:STAGE",
    "holdout": "jobs.holdout:STAGE",
    "guard": "jobs.guard:STAGE",
    "bucket": "jobs.bucket:STAGE",
    "pair": "jobs.pair:STAGE",
    "index": "jobs.index:STAGE",
    "synthesise": "jobs.synthesise:STAGE",
    "mine": "jobs.mine:STAGE",
    "label": "jobs.label:STAGE",
    "judge": "jobs.judge:STAGE",
    "assemble": "jobs.assemble:STAGE",
    "publish": "jobs.publish:STAGE",
    "train1": "jobs.train:STAGE_1",
    "train2": "jobs.train:STAGE_2",
    "evaluate": "jobs.evaluate:STAGE",
}


def stages_until(name: str) -> list[str]:
    """Return the stages up to and including one, in the order of the build; all of them for any other name."""
    return list(STAGES)[: list(STAGES).index(name) + 1 if name in STAGES else None]


def name_of(what: Table | str) -> str:
    """Return the name of a table or artefact."""
    return what if isinstance(what, str) else what.name


@dataclass(frozen=True)
class Stage:
    """One stage: what it reads, what it makes, and what decides its result.

    ``settings`` are recipe sections; ``inputs`` map tables or artefact names to the stage that made them; ``external``
    returns digests of what is read from outside the workspace; ``leaves`` says that others than later stages read the
    outputs, which therefore pass the suites of their contracts (``jobs/contracts.py``) before they exist.
    """

    name: str
    version: int
    settings: tuple[str, ...]
    inputs: Mapping[Table | str, str]
    run: Callable[[StageRun], None]
    outputs: tuple[Table, ...] = ()
    artefacts: tuple[str, ...] = ()
    external: Callable[[Recipe], Mapping[str, str]] | None = None
    needs_spark: bool = True
    leaves: bool = False

    def digests(self, recipe: Recipe) -> dict[str, str]:
        """Return the digests, as they are now, of what the stage reads from outside the workspace."""
        return dict(self.external(recipe)) if self.external else {}


def load_stage(name: str) -> Stage:
    """Return the stage of that name.

    Raises: RecipeError when there is none.
    """
    if name not in STAGES:
        raise RecipeError(f"stage must be one of {', '.join(STAGES)}, got {name!r}")
    module, _, attribute = STAGES[name].partition(":")
    stage: Stage = getattr(importlib.import_module(module), attribute)
    return stage


Progress = Callable[[int, int, str], None]


@dataclass
class Workspace:
    """A recipe and the place where it is built: fingerprints, sessions and folders of one run."""

    recipe: Recipe
    store: Store
    conf: Path | None = None
    spark_settings: Mapping[str, str] = field(default_factory=dict)
    _fingerprints: dict[str, str] = field(default_factory=dict)
    _digests: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _spark: Any = None

    @classmethod
    def open(
        cls, recipe: Recipe, place: Path | str, conf: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> Workspace:
        """Open the workspace at a path or a URI, making it if need be."""
        try:
            store = open_store(place)
            (store.workspace / "runs").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecipeError(
                f"workspace {place} cannot be written ({error.strerror}); try another --workspace"
            ) from error
        return cls(recipe, store, conf, settings or {})

    @property
    def path(self) -> Path:
        """The folder of the workspace."""
        return self.store.workspace

    @property
    def uri(self) -> str:
        """The name of the workspace: a URI."""
        return self.store.mirror.uri if self.store.mirror else self.path.as_uri()

    @contextmanager
    def held(self, command: str) -> Iterator[None]:
        """Hold the lease of the workspace while ``command`` writes to it. Raises: EngineError that says who has it."""
        with self.store.mirror.held(command) if self.store.mirror else Lease(self.path, command):
            yield

    def place_of(self, path: Path) -> str:
        """Return where something of the workspace is, for a person: on the remote, where there is one."""
        if self.store.mirror is None:
            return str(path)
        return "/".join([self.uri, *path.relative_to(self.path).parts])

    @property
    def logs(self) -> Path:
        """The folder of this recipe's runs: logs, and which fingerprint each stage has."""
        return _made(self.path / "runs" / self.recipe.name)

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of a stage's output under this recipe."""
        if name not in self._fingerprints:
            stage = load_stage(name)
            self._fingerprints[name] = digest_of(
                {
                    "stage": stage.name,
                    "version": stage.version,
                    "seed": self.recipe.seed,
                    "settings": {section: self.recipe.section(section) for section in stage.settings},
                    "inputs": {name_of(what): self.fingerprint(maker) for what, maker in stage.inputs.items()},
                    "external": self._digests.setdefault(name, stage.digests(self.recipe)),
                }
            )
        return self._fingerprints[name]

    def fingerprints(self, until: str) -> dict[str, str]:
        """Return the fingerprints of the stages up to and including one; of all stages for any other name."""
        return {name: self.fingerprint(name) for name in stages_until(until)}

    def digests(self, name: str) -> Mapping[str, str]:
        """Return the digests of what a stage reads from outside that its fingerprint stands for."""
        self.fingerprint(name)
        return self._digests[name]

    def manifest(self, name: str) -> dict[str, Any] | None:
        """Return the manifest of a stage's output, None when it is not built."""
        return self.store.manifest(name, self.fingerprint(name))

    def open_output(self, stage: str, name: str) -> Path:
        """Return the directory of a complete output."""
        return self.store.open(stage, self.fingerprint(stage), name)

    def spark(self) -> SparkSession:
        """Return the Spark session, started at the first call."""
        if self._spark is None:
            self._spark = start_session(self.recipe.name, self.logs / "spark.log", self.conf, self.spark_settings)
            self._check_mirror(self._spark.sparkContext.master)
        session: SparkSession = self._spark
        return session

    def _check_mirror(self, master: str) -> None:
        if self.store.mirror and not master.startswith("local") and MIRRORS not in os.environ:
            raise RecipeError(
                f"the mirror of {self.uri} must be a folder that every executor of {master} mounts, got {self.path}; "
                f"try setting {MIRRORS}, or a --workspace on a shared file system")

    def stop_spark(self) -> None:
        """Stop Spark, so that its memory is free for a trainer or a server."""
        if self._spark is not None:
            stop_session(self._spark)
            self._spark = None


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
        return _made(self._workspace.path / "cache")

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
                tempfile.mkdtemp(prefix=f"{self.stage.name}-", dir=_made(self._workspace.path / "scratch"))
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
        return _complete(self._workspace, stage)["notes"]  # type: ignore[no-any-return]

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
            table.name: partial(self.written, table) for table in self.stage.outputs}
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
        return self.spark.read.parquet(str(self._home / table.name))

    def artefact(self, name: str) -> Path:
        """Return the directory to fill for an artefact."""
        self.outputs.setdefault(name, {})
        return _made(self._home / name)

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


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _complete(workspace: Workspace, stage: str) -> dict[str, Any]:
    found = workspace.manifest(stage)
    if found is None:
        raise RecipeError(
            f"stage {stage} is not built for recipe {workspace.recipe.name}; try: pairwright stage {stage} RECIPE"
        )
    return found


def run_stage(stage: Stage, workspace: Workspace, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Build one stage's outputs and return their manifest; inputs must be complete.

    Raises: PairwrightError with one clear line; whatever else goes wrong inside an engine becomes an EngineError that
    names the log. A failed stage leaves nothing that a reader can see.
    """
    for maker in dict.fromkeys(stage.inputs.values()):
        _complete(workspace, maker)
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
        return _complete(workspace, stage.name)
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
    return _complete(workspace, stage.name)


def _check_unchanged(stage: Stage, workspace: Workspace) -> None:
    """Look once more at what was read from outside: the fingerprint was made before it was read.

    Raises: EngineError that names what changed.
    """
    before, now = workspace.digests(stage.name), stage.digests(workspace.recipe)
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if changed:
        raise EngineError(
            f"{', '.join(changed)} must stay as it is while stage {stage.name} reads it, but its files changed; "
            "nothing was stored, try running the same command again")


def _check_contracts(run: StageRun) -> None:
    from jobs.contracts import check_outputs  # it stands on this module

    started = time.monotonic()
    held = check_outputs(run)
    run.note(expectations=held, audit_seconds=round(time.monotonic() - started, 2))


def add_place(parser: argparse.ArgumentParser, recipes: str | None = None) -> None:
    """Add the arguments that every command over a recipe takes; ``recipes`` "+" = one or more of them."""
    parser.add_argument("recipe", type=Path, nargs=recipes, help="recipe file (YAML)")
    parser.add_argument(
        "--workspace",
        default="workspace",
        help="where tables, datasets and models go: a path, or s3://, gs://, abfs:// ... (default: ./workspace)",
    )
    add_spark(parser)


def add_spark(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how Spark runs."""
    parser.add_argument("--spark-conf", type=Path, help="Spark properties file (default: spark-conf/local.conf)")
    parser.add_argument(
        "--conf", action="append", default=[], metavar="KEY=VALUE", help="one Spark setting; repeatable"
    )


def spark_settings(given: Sequence[str]) -> dict[str, str]:
    """Return the values of ``--conf`` as a mapping. Raises: RecipeError for one without =."""
    settings = dict(each.split("=", 1) for each in given if "=" in each)
    if len(settings) != len(given):
        raise RecipeError(f"--conf must be KEY=VALUE, got {list(given)}; try --conf spark.driver.memory=4g")
    return settings


def open_place(args: argparse.Namespace) -> Workspace:
    """Return the workspace that the arguments of :func:`add_place` name."""
    return Workspace.open(load_recipe(args.recipe), args.workspace, args.spark_conf, spark_settings(args.conf))


def main(stage: Stage, argv: Sequence[str] | None = None) -> None:
    """Run one stage: ``spark-submit jobs/NAME.py RECIPE [--workspace DIR]``; exit status 1 when it fails."""
    parser = argparse.ArgumentParser(
        prog=f"jobs/{stage.name}.py", description=f"Run the stage {stage.name} of a recipe."
    )
    add_place(parser)
    args = parser.parse_args(argv)
    try:
        place = open_place(args)
        with place.held(f"jobs/{stage.name}.py {place.recipe.name}"):
            manifest = place.manifest(stage.name) or run_stage(stage, place)
            place.stop_spark()
    except PairwrightError as error:
        sys.stderr.write(f"pairwright: {error}\n")
        sys.exit(error.exit_status)
    rows = ", ".join(f"{name} {facts['rows']:,} rows" for name, facts in manifest["outputs"].items() if "rows" in facts)
    print(f"{stage.name}: {rows or 'done'} in {manifest['seconds']} s")
