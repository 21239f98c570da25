"""The recipe: one YAML file, one config class a section, defaults in the classes alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from pipeline.assemble.config import AssembleConfig
from pipeline.bucket.config import CLASSIFIER, BucketConfig
from pipeline.compare.config import AuditConfig
from pipeline.dedupe.config import DedupeConfig
from pipeline.guard.config import GuardConfig
from pipeline.holdout.config import EvalSetConfig, HoldoutConfig, resolve_holdout, resolve_sets
from pipeline.index.config import EncoderConfig, IndexConfig
from pipeline.ingest.config import SourceConfig, resolve_sources, says_domains
from pipeline.ingest.passages.contexts import BESIDES
from pipeline.ingest.passages.passages import PassageConfig, judged_sources
from pipeline.judge.config import JudgeConfig
from pipeline.label.config import LabelConfig
from pipeline.mine.config import MineConfig
from pipeline.pair.config import PairConfig
from pipeline.synthesise.config import SynthesiseConfig
from schemas.config import Config, setting
from schemas.errors import RecipeError, rule
from schemas.training import EvaluateConfig, TrainConfig

MODELS = "PAIRWRIGHT_MODELS"


class Recipe(Config):
    """Everything that decides a dataset and the model trained on it."""

    name: str = setting(doc="name of the dataset: letters, digits, - and _")
    sources: tuple[SourceConfig, ...] = setting(doc="where the documents come from")
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
    assemble: AssembleConfig = setting(factory=AssembleConfig, doc="examples and planned batches")
    audit: AuditConfig = setting(factory=AuditConfig, doc="how far a version may differ from the one before")
    train: TrainConfig = setting(factory=TrainConfig, doc="the bundled trainer")
    evaluate: EvaluateConfig = setting(factory=EvaluateConfig, doc="how models are measured")

    def faults(self) -> list[str]:
        """Return what is wrong: a name unfit for a folder, no sources, a name given twice."""
        found = []
        if not self.name.replace("-", "").replace("_", "").isalnum() or not self.name.isascii():
            found.append(rule("name", "letters, digits, - and _", self.name))
        if not self.sources:
            found.append(rule("sources", "at least one source", []))
        for what, names in (
            ("sources", [s.name for s in self.sources]),
            ("evaluation", [e.name for e in self.evaluation]),
        ):
            found += [
                f"{what} must have names of their own, got {name!r} twice"
                for name in sorted(set(names))
                if names.count(name) > 1
            ]
        found += judged_sources(self.passages, self.sources)
        most = self.synthesise.context_tokens - self.synthesise.query_tokens - BESIDES
        if self.passages.context and self.passages.context_tokens > most:
            found.append(
                rule(
                    "passages.context_tokens",
                    f"at most {most}, what synthesise.context_tokens leaves",
                    self.passages.context_tokens,
                )
            )
        if self.bucket.rule == CLASSIFIER and self.sources and not any(map(says_domains, self.sources)):
            found.append(
                "bucket.rule classifier must have a source that says domains to learn from, got none; "
                "try sources.<name>.domain, sources.<name>.fields.domain, or rule: cluster"
            )
        return found

    def section(self, name: str) -> Any:
        """Return one section as plain data, for fingerprints."""
        value = getattr(self, name)
        if isinstance(value, Config):
            return value.to_mapping()
        return [each.to_mapping() for each in value] if isinstance(value, tuple) else value

    def models_home(self) -> Path:
        """Return the folder that holds models named without a path."""
        if self.models:
            return Path(self.models)
        return Path(os.environ.get(MODELS) or Path(__file__).resolve().parents[1] / ".models")

    def model_path(self, name: str) -> Path:
        """Return the directory of a model: a path as it is, a bare name below the models folder.

        Raises: RecipeError when there is no such directory.
        """
        path = Path(name) if os.sep in name else self.models_home() / name
        if not path.is_dir():
            raise RecipeError(f"model must be an existing directory, got {path}; try: make setup, or a full path")
        return path


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; relative paths in it start at its folder.

    Raises: RecipeError with every fault at once.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"recipe {path} cannot be read: {error.strerror}; try one of jobs/recipes/") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} must be YAML in UTF-8: {' '.join(str(error).split())}") from error
    return resolve_recipe(Recipe.from_mapping(given), path.resolve().parent)


def resolve_recipe(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with relative paths taken from a folder, and the share held out that follows from it."""
    return recipe.replace(
        models=str(folder / recipe.models) if recipe.models else "",
        erase=str(folder / recipe.erase) if recipe.erase else "",
        sources=resolve_sources(recipe.sources, folder),
        evaluation=resolve_sets(recipe.evaluation, folder),
        holdout=resolve_holdout(recipe.holdout, recipe.evaluation),
    )
