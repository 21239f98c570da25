"""What a stage is: what it reads, what it makes, what decides its result, and what it is handed when it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from jobs.store.files import digest_of
from pipeline.recipe import Recipe
from schemas.reviews import Review
from schemas.table import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from jobs.engines.vllm.server import VllmServer

Progress = Callable[[int, int, str], None]


class Run(Protocol):
    """What a running stage is handed (``jobs/runtime/stage_run.py``): its inputs, and places for what it makes."""

    @property
    def stage(self) -> Stage:
        """The stage that runs."""

    @property
    def recipe(self) -> Recipe:
        """The recipe that is built."""

    @property
    def progress(self) -> Progress:
        """What to tell how far the stage is: done, total, unit."""

    @property
    def spark(self) -> SparkSession:
        """The Spark session, started at the first use."""

    def read(self, table: Table) -> DataFrame:
        """Return an input table, dropped rows included. Raises: ShardError when it is damaged."""

    def source_of(self, what: Table | str) -> Path:
        """Return the directory of an input table or artefact."""

    def open_output(self, stage: str, name: str) -> Path:
        """Return the directory of an output of an input stage, for names that several stages give their outputs."""

    def write(self, frame: DataFrame, table: Table) -> Mapping[str, Any]:
        """Write an output table and return its rows, and their count by drop_reason."""

    def read_back(self, table: Table) -> DataFrame:
        """Return an output that this run has written: shared work is not done twice."""

    def artefact(self, name: str) -> Path:
        """Return the directory to fill for an artefact."""

    def note(self, **figures: Any) -> None:
        """Keep JSON-able figures in the stage's manifest, for the report and for later stages."""

    def remark(self, text: str) -> None:
        """Keep a sentence for the stage's line."""

    def time_engine(self, engine: str) -> AbstractContextManager[None]:
        """Note the seconds of a block under the costly engine that works in it: encoder, cross_encoder or llm."""

    def add_seconds(self, engine: str, seconds: float) -> None:
        """Add to the seconds noted under an engine."""

    @property
    def workspace_dir(self) -> Path:
        """The folder of the workspace."""

    @property
    def cache_dir(self) -> Path:
        """A folder for results keyed by content, kept between builds."""

    @property
    def log_dir(self) -> Path:
        """The folder of this recipe's logs."""

    @property
    def scratch(self) -> Path:
        """A folder of this run, deleted when the stage ends."""

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests of what this stage reads from outside, as its fingerprint has them."""

    @property
    def reviews(self) -> tuple[Review, ...]:
        """The answers of reviewers that count, as the fingerprint of a stage that ``reads_reviews`` has them."""

    def fingerprint_of(self, stage: str) -> str:
        """Return the fingerprint of a stage."""

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprints of the stages up to and including this one: what a version was made from."""

    def fetch_version(self, version: Path) -> Path:
        """Return the directory of a published version, its files on this machine."""

    @property
    def server_ahead(self) -> VllmServer | None:
        """The language model's server that was started while earlier stages ran, if one was."""

    def stop_spark(self) -> None:
        """Stop Spark for a stage that needs the memory elsewhere; the next use starts it again."""


@dataclass(frozen=True)
class Stage:
    """One stage: what it reads, what it makes, and what decides its result.

    ``settings`` are recipe sections, ``conditional_settings`` what else of the recipe decides the result where
    something is asked for, by name, and ``conditional_sections`` the sections that this is taken from. ``inputs`` map
    tables or artefact names to the stage that made them; ``external`` returns digests of what is read from outside the
    workspace.

    ``leaves``: others than later stages read the outputs, which therefore pass the suites of their contracts
    (``jobs/contracts/expectations.py``) before they exist. ``says_none``: tables that the stage's line names also when
    they are empty. ``reads_reviews``: what reviewers answered decides the result. ``needs_server``: it asks a language
    model, whose server may start beside the stages before it.
    ``finish`` is what follows once the outputs exist, also where they are kept from an earlier run.
    ``is_resumable`` false: a run that ended while its outputs were pushed is done again, since it does more than write.
    """

    name: str
    version: int
    settings: tuple[str, ...]
    inputs: Mapping[Table | str, str]
    run: Callable[[Run], None]
    finish: Callable[[Run], None] | None = None
    outputs: tuple[Table, ...] = ()
    artefacts: tuple[str, ...] = ()
    external: Callable[[Recipe], Mapping[str, str]] | None = None
    conditional_settings: Callable[[Recipe], Mapping[str, Any]] | None = None
    conditional_sections: tuple[str, ...] = ()
    says_none: tuple[Table, ...] = ()
    reads_reviews: bool = False
    needs_spark: bool = True
    needs_server: bool = False
    is_resumable: bool = True
    leaves: bool = False

    def digests(self, recipe: Recipe) -> dict[str, str]:
        """Return the digests, as they are now, of what decides the result besides ``settings`` and ``inputs``."""
        settings = self.conditional_settings(recipe) if self.conditional_settings else {}
        found = {name: digest_of(value) for name, value in settings.items()}
        return {**found, **(self.external(recipe) if self.external else {})}


def name_of(what: Table | str) -> str:
    """Return the name of a table or artefact."""
    return what if isinstance(what, str) else what.name
