"""What a running stage is handed: the protocol ``Run`` of ``stage.py``, over a workspace."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.runtime import registry
from jobs.runtime.stage import Progress, Stage, name_of
from jobs.runtime.workspace import Workspace, make_folder
from jobs.spark.session import under_spark_submit
from jobs.store.files import count_rows
from jobs.store.layout import cache_folder, scratch_folder
from pipeline.contract import spark_schema
from pipeline.recipe import Recipe
from schemas.reviews import Review
from schemas.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from jobs.engines.vllm.server import VllmServer


class StageRun:
    """What a running stage is handed: its recipe, its inputs, and the places for its outputs."""

    def __init__(self, stage: Stage, workspace: Workspace, home: Path, progress: Progress = lambda *_: None) -> None:
        """Prepare a run that writes below ``home``."""
        self.stage = stage
        self.progress = progress
        self.home = home
        self.notes: dict[str, Any] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self._workspace = workspace
        self._scratch: Path | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe that is built."""
        return self._workspace.recipe

    @property
    def spark(self) -> SparkSession:
        """The Spark session, started at the first use."""
        return self._workspace.spark()

    def read(self, table: Table) -> DataFrame:
        """Return an input table, dropped rows included. Raises: ShardError when it is damaged."""
        return self._read_frame(self.source_of(table), table)

    def source_of(self, what: Table | str) -> Path:
        """Return the directory of an input table or artefact."""
        maker = {name_of(key): stage for key, stage in self.stage.inputs.items()}[name_of(what)]
        return self._workspace.open_output(maker, name_of(what))

    def open_output(self, stage: str, name: str) -> Path:
        """Return the directory of an output of an input stage, for names that several stages give their outputs."""
        return self._workspace.open_output(stage, name)

    def write(self, frame: DataFrame, table: Table) -> Mapping[str, Any]:
        """Write an output table and return its rows, and their count by drop_reason."""
        path = self.home / table.name
        frame.write.mode("overwrite").parquet(str(path))
        self.outputs[table.name] = count_rows(path, "drop_reason" in table.names)
        return self.outputs[table.name]

    def read_back(self, table: Table) -> DataFrame:
        """Return an output that this run has written: shared work is not done twice."""
        return self._read_frame(self.home / table.name, table)

    def artefact(self, name: str) -> Path:
        """Return the directory to fill for an artefact."""
        self.outputs.setdefault(name, {})
        return make_folder(self.home / name)

    def note(self, **figures: Any) -> None:
        """Keep JSON-able figures in the stage's manifest, for the report and for later stages."""
        self.notes.update(figures)

    def remark(self, text: str) -> None:
        """Keep a sentence for the stage's line."""
        said = self.notes.setdefault("remarks", [])
        if text not in said:
            said.append(text)

    @contextmanager
    def time_engine(self, engine: str) -> Iterator[None]:
        """Note the seconds of a block under the costly engine that works in it: encoder, cross_encoder or llm."""
        started = time.monotonic()
        yield
        self.add_seconds(engine, time.monotonic() - started)

    def add_seconds(self, engine: str, seconds: float) -> None:
        """Add to the seconds noted under an engine."""
        noted = self.notes.setdefault("engine_seconds", {})
        noted[engine] = round(noted.get(engine, 0.0) + seconds, 2)

    @property
    def workspace_dir(self) -> Path:
        """The folder of the workspace."""
        return self._workspace.path

    @property
    def cache_dir(self) -> Path:
        """A folder for results keyed by content, kept between builds."""
        if self._workspace.store.mirror:
            self._workspace.store.mirror.pull_caches()
        return make_folder(cache_folder(self._workspace.path))

    @property
    def log_dir(self) -> Path:
        """The folder of this recipe's logs."""
        return self._workspace.logs

    @property
    def scratch(self) -> Path:
        """A folder of this run, deleted when the stage ends."""
        if self._scratch is None:
            home = make_folder(scratch_folder(self._workspace.path))
            self._scratch = Path(tempfile.mkdtemp(prefix=f"{self.stage.name}-", dir=home))
        return self._scratch

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests of what this stage reads from outside, as its fingerprint has them."""
        return self._workspace.digests(self.stage.name)

    @property
    def reviews(self) -> tuple[Review, ...]:
        """The answers of reviewers that count, as the fingerprint of a stage that ``reads_reviews`` has them."""
        return self._workspace.reviews

    def fingerprint_of(self, stage: str) -> str:
        """Return the fingerprint of a stage."""
        return self._workspace.fingerprint(stage)

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprints of the stages up to and including this one: what a version was made from."""
        return self._workspace.fingerprints(self.stage.name)

    def fetch_version(self, version: Path) -> Path:
        """Return the directory of a published version, its files on this machine."""
        if self._workspace.store.mirror:
            self._workspace.store.mirror.pull_version(version)
        return version

    @property
    def server_ahead(self) -> VllmServer | None:
        """The language model's server that was started while earlier stages ran, if one was."""
        return self._workspace.server

    def stop_spark(self) -> None:
        """Stop Spark for a stage that needs the memory elsewhere; the next use starts it again.

        Under spark-submit it stays: a cluster takes a driver whose Spark stopped for one that has finished.
        """
        if not under_spark_submit():
            self._workspace.stop_spark()

    def openers(self) -> dict[str, Callable[[], DataFrame]]:
        """Return what opens each table by name: an output of this run, an input, or what that was made from."""
        found: dict[str, Callable[[], DataFrame]] = {
            table.name: partial(self.read_back, table) for table in self.stage.outputs
        }
        nearest = [self.stage]
        for stage in nearest:  # grows
            for what, maker in stage.inputs.items():
                nearest += [each for each in [registry.load_stage(maker)] if each not in nearest]
                if isinstance(what, Table) and what.name not in found:
                    found[what.name] = partial(self._open, maker, what)
        return found

    def _open(self, maker: str, table: Table) -> DataFrame:
        return self._read_frame(self._workspace.open_output(maker, table.name), table)

    def _read_frame(self, path: Path, table: Table) -> DataFrame:
        return self.spark.read.schema(spark_schema(table)).parquet(str(path))

    def close(self) -> None:
        """Delete the scratch folder."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
