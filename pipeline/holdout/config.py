"""Settings of the evaluation sets: the one cut from the sources, and those read from outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.ingest.config import SourceConfig, make_source, resolve_path
from pipeline.locations import faults_of_name, faults_of_path
from schemas.config import Config, setting
from schemas.errors import rule

AUTO, QUERIES, BOTH = PROTECT = ("auto", "queries", "both")


class HoldoutConfig(Config):
    """The evaluation set that is cut from the sources."""

    name: str = setting("heldout", "name of the evaluation set")
    fraction: float | None = setting(
        None,
        "share of the families held out; 0 = none; null = 0.15, or 0 where the recipe names evaluation sets",
        low=0.0,
        high=0.9,
    )
    max_queries: int = setting(2000, "queries, drawn by hash", low=1)
    max_group: int = setting(20, "documents of a group of families; larger ones always train", low=1)
    min_words: int = setting(4, "words a query must have", low=1)
    max_words: int = setting(40, "words a query may have", low=1)
    protect_documents: bool = setting(True, "cut training documents that overlap with its documents")

    def faults(self) -> list[str]:
        """Require a name that can be a folder."""
        return faults_of_name("name", self.name)

    def faults_of_words(self) -> list[str]:
        """Require lengths in order."""
        if self.min_words <= self.max_words:
            return []
        return [rule("min_words", f"at most max_words ({self.max_words})", self.min_words)]


class EvalSetConfig(Config):
    """An evaluation set from outside, as a BEIR folder."""

    name: str = setting(doc="name of the evaluation set; unique in the recipe")
    path: str = setting(doc="BEIR folder, relative to the recipe")
    split: str = setting("test", "qrels/<split>.tsv")
    protect: str = setting(
        AUTO,
        "what training may not overlap with: queries, or both queries and documents; auto = both, but queries "
        "alone where the folder is also a source",
        choices=PROTECT,
    )

    def faults(self) -> list[str]:
        """Require a name that can be a folder."""
        return faults_of_name("name", self.name)

    def faults_of_split(self) -> list[str]:
        """Require a split that names a file of the folder."""
        return faults_of_name("split", self.split)

    def faults_of_path(self) -> list[str]:
        """Require a path that can be one."""
        return faults_of_path("path", self.path) if self.path else [rule("path", "a BEIR folder", self.path)]


def resolve_sets(sets: Sequence[EvalSetConfig], folder: Path) -> tuple[EvalSetConfig, ...]:
    """Return the evaluation sets with relative paths taken from the recipe's folder."""
    return tuple(each.replace(path=resolve_path(each.path, folder)) for each in sets)


def resolve_holdout(cfg: HoldoutConfig, sets: Sequence[EvalSetConfig]) -> HoldoutConfig:
    """Return the settings with the share that holds when the recipe says none."""
    return cfg if cfg.fraction is not None else cfg.replace(fraction=0.0 if sets else 0.15)


def source_of_set(evaluation: EvalSetConfig) -> SourceConfig:
    """Return the source that reads the files of an evaluation set, unchanged but for white space."""
    return make_source(
        name=evaluation.name,
        format="beir",
        path=evaluation.path,
        split=evaluation.split,
        min_chars=1,
        max_chars=1 << 30,
        max_bytes=1 << 30,
    )


def protects_documents(evaluation: EvalSetConfig, sources: Sequence[SourceConfig]) -> bool:
    """Return whether training documents that overlap with the set's documents are cut."""
    if evaluation.protect != AUTO:
        return evaluation.protect == BOTH
    place = Path(evaluation.path).resolve()
    same = (place, place / "corpus.jsonl", place / "corpus.jsonl.gz")
    return not any(source.path and Path(source.path).resolve() in same for source in sources)
