"""The recipe: one YAML file, one config class a section, defaults in the classes alone."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.assemble.config import AssembleConfig
from pipeline.bucket.config import CLASSIFIER, BucketConfig
from pipeline.compare.config import AuditConfig
from pipeline.dedupe.config import DedupeConfig
from pipeline.guard.config import GuardConfig
from pipeline.holdout.config import EvalSetConfig, HoldoutConfig, resolve_holdout, resolve_sets
from pipeline.index.config import EncoderConfig, IndexConfig
from pipeline.ingest.config import AnySource, resolve_path, resolve_sources, says_domains
from pipeline.ingest.passages.config import PassageConfig, judged_sources
from pipeline.ingest.passages.contexts import BESIDES
from pipeline.judge.config import JudgeConfig
from pipeline.label.config import LabelConfig
from pipeline.locations import faults_of_name, faults_of_path
from pipeline.mine.config import MineConfig
from pipeline.pair.config import PairConfig
from pipeline.review.config import ReviewConfig
from pipeline.strict_yaml import read_yaml
from pipeline.synthesise.config import SynthesiseConfig
from schemas.config import Config, ask_each, setting
from schemas.errors import RecipeError, rule, show
from schemas.nearest import find_nearest
from schemas.training import EvaluateConfig, TrainConfig

MODELS = "PAIRWRIGHT_MODELS"


class Recipe(Config):
    """Everything that decides a dataset and the model trained on it."""

    name: str = setting(doc="name of the dataset: letters, digits, - and _")
    sources: tuple[AnySource, ...] = setting(doc="where the documents come from")
    seed: int = setting(13, "of every draw", low=0)
    models: str = setting("", "folder of the models named without a path; empty = $PAIRWRIGHT_MODELS, else .models")
    erase: str = setting("", "file of ids, one a line, of documents to erase; relative to the recipe")
    evaluation: tuple[EvalSetConfig, ...] = setting((), "evaluation sets from outside, protected and measured")
    passages: PassageConfig = setting(factory=PassageConfig, doc="long documents become passages")
    dedupe: DedupeConfig = setting(factory=DedupeConfig, doc="exact and near-duplicates")
    holdout: HoldoutConfig = setting(factory=HoldoutConfig, doc="evaluation set cut from the sources themselves")
    guard: GuardConfig = setting(factory=GuardConfig, doc="what overlaps an evaluation set is cut")
    bucket: BucketConfig = setting(factory=BucketConfig, doc="domains")
    pair: PairConfig = setting(factory=PairConfig, doc="positives from structure and judgements")
    index: IndexConfig = setting(factory=IndexConfig, doc="the lexical index")
    encoder: EncoderConfig = setting(factory=EncoderConfig, doc="the embedding model that mines")
    synthesise: SynthesiseConfig = setting(factory=SynthesiseConfig, doc="queries and negatives written by an LLM")
    mine: MineConfig = setting(factory=MineConfig, doc="candidates for hard negatives")
    label: LabelConfig = setting(factory=LabelConfig, doc="cross-encoder teacher")
    judge: JudgeConfig = setting(factory=JudgeConfig, doc="which candidates become negatives")
    review: ReviewConfig = setting(factory=ReviewConfig, doc="who is asked whether candidates answer their queries")
    assemble: AssembleConfig = setting(factory=AssembleConfig, doc="examples and planned batches")
    audit: AuditConfig = setting(factory=AuditConfig, doc="how far a version may differ from the one before")
    train: TrainConfig = setting(factory=TrainConfig, doc="the bundled trainer")
    evaluate: EvaluateConfig = setting(factory=EvaluateConfig, doc="how models are measured")

    def faults(self) -> list[str]:
        """Require a name that is one word everywhere: of folders, sessions and models."""
        found = faults_of_name("name", self.name)
        if not found and not re.fullmatch(r"[A-Za-z0-9_-]*[A-Za-z0-9][A-Za-z0-9_-]*", self.name):
            plain = re.sub(r"[^A-Za-z0-9_-]+", "-", self.name).strip("-")
            return [rule("name", "letters, digits, - and _", self.name, plain)]
        return found

    def faults_of_sources(self) -> list[str]:
        """Require sources, each with a name of its own."""
        if not self.sources:
            return [rule("sources", "at least one source", [])]
        return _names_given_twice("sources", ask_each(self.sources, lambda source: source.name))

    def faults_of_sets(self) -> list[str]:
        """Require evaluation sets with names of their own."""
        return _names_given_twice("evaluation", ask_each(self.evaluation, lambda each: each.name))

    def faults_of_held_out(self) -> list[str]:
        """Refuse an evaluation set that is called like the one that is cut from the sources."""
        if not self.holdout.fraction:
            return []
        own = _plain_name(self.holdout.name)
        names = [name for name in ask_each(self.evaluation, lambda each: each.name) if _plain_name(name) == own]
        must_be = "names other than that of the set held out (holdout.name)"
        return [rule("evaluation", must_be, name, "another holdout.name, or holdout.fraction: 0") for name in names]

    def faults_of_preferred(self) -> list[str]:
        """Require that the sources which dedupe prefers are there."""
        known = [source.name for source in self.sources]
        odd = [name for name in self.dedupe.sources if name not in known]
        must_be = f"names of sources ({', '.join(known)})"
        return [rule("dedupe.sources", must_be, name, meant=find_nearest(name, known)) for name in odd]

    def faults_of_passages(self) -> list[str]:
        """Refuse to cut what a source judges as a whole."""
        return judged_sources(self.passages, self.sources)

    def faults_of_contexts(self) -> list[str]:
        """Require lines of context that the language model's own context takes."""
        most = self.synthesise.context_tokens - self.synthesise.query_tokens - BESIDES
        got = self.passages.context_tokens
        must_be = f"at most {most}, what synthesise.context_tokens leaves"
        return [rule("passages.context_tokens", must_be, got)] * (self.passages.context and got > most)

    def faults_of_classifier(self) -> list[str]:
        """Require a source to learn domains from where a classifier is to learn them."""
        if self.bucket.rule != CLASSIFIER or not self.sources or any(map(says_domains, self.sources)):
            return []
        fault = "bucket.rule classifier must have a source that says domains to learn from, got none"
        return [f"{fault}; try sources.<name>.domain, sources.<name>.fields.domain, or rule: cluster"]

    def faults_of_paths(self) -> list[str]:
        """Require paths that can be one."""
        return faults_of_path("erase", self.erase) + faults_of_path("models", self.models)

    def section(self, name: str) -> Any:
        """Return one section as plain data, for fingerprints."""
        value = getattr(self, name)
        if isinstance(value, Config):
            return value.to_mapping()
        return [each.to_mapping() for each in value] if isinstance(value, tuple) else value

    def models_home(self) -> Path:
        """Return the folder that holds models named without a path."""
        return Path(self.models) if self.models else usual_models_home()

    def model_path(self, name: str) -> Path:
        """Return the directory of a model: a path as it is, a bare name below the models folder.

        Raises: RecipeError when there is no such directory.
        """
        path = Path(name) if os.sep in name else self.models_home() / name
        if not path.is_dir():
            raise RecipeError(f"model must be an existing directory, got {path}; try: make setup, or a full path")
        return path


def usual_models_home() -> Path:
    """Return the folder of models where no recipe names one."""
    return Path(os.environ.get(MODELS) or Path(__file__).resolve().parents[1] / ".models")


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; relative paths in it start at its folder.

    Raises: RecipeError with every fault at once.
    """
    recipe, faults = read_recipe(path)
    if faults:
        raise RecipeError(faults)
    return resolve_recipe(recipe, path.resolve().parent)


def read_recipe(path: Path) -> tuple[Recipe, list[str]]:
    """Return what is sound in a recipe, its paths as they stand there, and every fault.

    Raises: RecipeError for a file that cannot be a recipe.
    """
    try:
        given = read_yaml(path)
    except OSError as error:
        there = [each.name for each in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        near = find_nearest(path.name, there)
        way_out = f"; did you mean {path.parent / near}?" if near else "; try pairwright init PATH..., which writes one"
        raise RecipeError(f"recipe {path} cannot be read: {error.strerror}{way_out}") from error
    if given is not None and not isinstance(given, dict):
        raise RecipeError(rule(f"recipe {path}", "a mapping of settings", given, "name: ... and sources: ..."))
    return Recipe.gather(given)


def resolve_recipe(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with relative paths taken from a folder, and the share held out that follows from it."""
    return recipe.replace(
        models=resolve_path(recipe.models, folder) if recipe.models else "",
        erase=resolve_path(recipe.erase, folder) if recipe.erase else "",
        sources=resolve_sources(recipe.sources, folder),
        evaluation=resolve_sets(recipe.evaluation, folder),
        holdout=resolve_holdout(recipe.holdout, recipe.evaluation),
    )


def _names_given_twice(field: str, names: Sequence[str]) -> list[str]:
    """Return a fault for each name that stands twice, or in letters that some file systems do not tell apart."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_plain_name(name), []).append(name)
    return [
        f"{field} must have names of their own, got {show(same[0])} twice"
        + ("" if len(set(same)) == 1 else f", once as {show(same[1])}; file systems that fold case take both for one")
        for same in found.values()
        if len(same) > 1
    ]


def _plain_name(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
