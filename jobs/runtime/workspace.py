"""A recipe and the place where it is built: its store, its Spark session, its logs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.runtime import registry
from jobs.runtime.fingerprint import Fingerprints
from jobs.runtime.stage import Stage, name_of
from jobs.spark.session import start_session, stop_session
from jobs.spark.tasks import count_tasks
from jobs.store.layout import run_folder, runs_folder
from jobs.store.lease import Lease
from jobs.store.object_store import MIRRORS
from jobs.store.open import open_store
from jobs.store.reviews import digest_reviews, read_reviews
from jobs.store.tables import Store
from pipeline.recipe import Recipe, load_recipe
from pipeline.review.agreement import choose_counting
from schemas.errors import RecipeError
from schemas.reviews import Review

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.engines.vllm.server import VllmServer


@dataclass
class Workspace:
    """A recipe and the place where it is built: its store, its fingerprints, its Spark session."""

    recipe: Recipe
    store: Store
    conf: Path | None = None
    spark_settings: Mapping[str, str] = field(default_factory=dict)
    _spark: Any = None
    server: VllmServer | None = None  # started ahead, while earlier stages run

    def __post_init__(self) -> None:
        """Make no fingerprint yet."""
        self._fingerprints = Fingerprints(self.recipe, lambda: digest_reviews(self.reviews) if self.reviews else "")

    @classmethod
    def open(
        cls, recipe: Recipe, path: Path | str, conf: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> Workspace:
        """Open the workspace at a path or a URI, making it if need be."""
        try:
            store = open_store(path)
            runs_folder(store.workspace).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecipeError(
                f"workspace {path} cannot be written ({error.strerror}); try another --workspace"
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
    def hold_lease(self, command: str) -> Iterator[None]:
        """Hold the lease of the workspace while ``command`` writes to it. Raises: EngineError that says who has it."""
        with self.store.mirror.hold(command) if self.store.mirror else Lease(self.path, command):
            yield

    def display_path(self, path: Path) -> str:
        """Return where something of the workspace is, for a person: on the remote, where there is one."""
        if self.store.mirror is None:
            return str(path)
        return "/".join([self.uri, *path.relative_to(self.path).parts])

    @property
    def logs(self) -> Path:
        """The folder of this recipe's runs: logs, and which fingerprint each stage has."""
        return make_folder(run_folder(self.path, self.recipe.name))

    @cached_property
    def reviews(self) -> tuple[Review, ...]:
        """The answers of reviewers that count, as they were when they were first asked for."""
        return choose_counting(read_reviews(self.store), self.recipe.review)

    def fingerprint(self, name: str) -> str:
        """Return the fingerprint of a stage's output under this recipe."""
        return self._fingerprints.make(name)

    def fingerprints(self, until: str) -> dict[str, str]:
        """Return the fingerprints of the stages up to and including one; of all stages for any other name."""
        return {name: self.fingerprint(name) for name in registry.stages_until(until)}

    def digests(self, name: str) -> Mapping[str, str]:
        """Return the digests of what a stage reads from outside that its fingerprint stands for."""
        return self._fingerprints.digests(name)

    def manifest(self, name: str) -> dict[str, Any] | None:
        """Return the manifest of a stage's output, None when it is not built."""
        return self.store.manifest(name, self.fingerprint(name))

    def require(self, name: str) -> dict[str, Any]:
        """Return the manifest of a stage's output. Raises: RecipeError when it is not built."""
        found = self.manifest(name)
        if found is None:
            raise RecipeError(
                f"stage {name} is not built for recipe {self.recipe.name}; try: pairwright stage {name} RECIPE"
            )
        return found

    def reasons_before(self, stage: Stage) -> dict[str, dict[str, int]]:
        """Return the counts by reason, as its inputs have them, of the tables that a stage marks further."""
        outputs, found = {table.name for table in stage.outputs}, {}
        for what, maker in stage.inputs.items():
            facts = self.require(maker)["outputs"].get(name_of(what), {})
            if name_of(what) in outputs and "reasons" in facts:
                found[name_of(what)] = facts["reasons"]
        return found

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

    def count_tasks(self) -> tuple[int, int] | None:
        """Return how many tasks of what Spark runs now are done, and of how many; None while it runs nothing."""
        return None if self._spark is None else count_tasks(self._spark)

    def _check_mirror(self, master: str) -> None:
        if self.store.mirror and not master.startswith("local") and MIRRORS not in os.environ:
            raise RecipeError(
                f"the mirror of {self.uri} must be a folder that every executor of {master} mounts, got {self.path}; "
                f"try setting {MIRRORS}, or a --workspace on a shared file system"
            )

    def stop_spark(self) -> None:
        """Stop Spark, so that its memory is free for a trainer or a server."""
        if self._spark is not None:
            session, self._spark = self._spark, None
            with suppress(Exception):  # a JVM that is gone has stopped, and that decides no status
                stop_session(session)

    def stop_server(self) -> None:
        """Stop the language model's server, where one was started ahead."""
        if self.server is not None:
            self.server.stop()
            self.server = None


def open_workspace(recipe: Path, workspace: str, spark_conf: Path | None = None, conf: Sequence[str] = ()) -> Workspace:
    """Return the workspace that a command's arguments name. Raises: RecipeError with every fault at once."""
    return Workspace.open(load_recipe(recipe), workspace, spark_conf, read_spark_settings(conf))


def read_spark_settings(given: Sequence[str]) -> dict[str, str]:
    """Return the values of ``--conf`` as a mapping. Raises: RecipeError for one without =."""
    settings = dict(each.split("=", 1) for each in given if "=" in each)
    if len(settings) != len(given):
        raise RecipeError(f"--conf must be KEY=VALUE, got {list(given)}; try --conf spark.driver.memory=4g")
    return settings


def make_folder(path: Path) -> Path:
    """Return a folder, made if need be."""
    path.mkdir(parents=True, exist_ok=True)
    return path
