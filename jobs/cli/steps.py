"""One step alone: ``pairwright clean|passages|dedupe|guard|bucket PATH --out DIR``, for whoever wants only that step.

The step is the stage of the build, run over PATH instead of a workspace's tables: the same code, the same settings.
PATH is whatever a source may be, or a folder that an earlier step wrote, whose dropped rows stay dropped. The folder
``--out`` appears whole or not at all:

    <out>/documents/     every document, with the reason where it was dropped; after bucket in folders by domain
    <out>/<table>/       duplicates, leaks, domains, guesses, passages, annotations, rejects: what the step has to say
    <out>/_manifest.json counts by reason, settings, seconds, checksums of every file
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from jobs.runtime.step import Step
from pipeline.ingest.files import formats_in
from pipeline.locations import name_folder
from pipeline.readers.registry import FORMATS
from pipeline.recipe import Recipe, resolve_recipe
from pipeline.strict_yaml import parse_yaml, read_yaml
from schemas.documents import (
    ANNOTATIONS,
    DOCUMENTS,
    DOMAINS,
    DUPLICATES,
    GUESSES,
    LEAKS,
    PASSAGES,
    REPEATS,
    SIGNATURES,
)
from schemas.errors import RecipeError, rule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def _cut_passages(documents: DataFrame, recipe: Recipe) -> DataFrame:
    from jobs.ingest import cut_passages  # with it come Spark and the language model, which no help text needs

    return cut_passages(documents, recipe)


STEPS = {
    "clean": Step(
        "read documents and mark, with the reason, those not worth training on. Mojibake is repaired, and the rules "
        "are on unless --set clean.rules=false",
        "pairwright clean crawl/ --out cleaned --set clean.languages=[en,de] --set clean.pii=redact",
        ("ingest",),
        ("clean", "source", "seed"),
        (ANNOTATIONS,),
        {"clean": {"repair": True, "rules": True}},
    ),
    "passages": Step(
        "cut long documents into passages by structure and token budget. 256 tokens unless --set passages.tokens=N",
        "pairwright passages books/ --out passages --set passages.tokens=128 --set passages.overlap=16",
        ("ingest",),
        ("passages", "source", "train", "models", "seed"),
        (PASSAGES,),
        {"passages": {"tokens": 256}},
        _cut_passages,
    ),
    "dedupe": Step(
        "find exact and near-duplicates, and keep one document of each cluster",
        "pairwright dedupe 'crawl/*.jsonl.zst' --out deduped --set dedupe.threshold=0.7 --set source.fields.text=body",
        ("ingest", "dedupe"),
        ("dedupe", "source", "encoder", "models", "seed"),
        (DUPLICATES, REPEATS, SIGNATURES),
        {},
    ),
    "guard": Step(
        "cut the documents that overlap evaluation sets (BEIR folders, --against)",
        "pairwright guard deduped --out guarded --against beir/scifact --against beir/nfcorpus",
        ("ingest", "holdout", "guard"),
        ("guard", "source", "seed"),
        (LEAKS,),
        {},
        protects=True,
    ),
    "bucket": Step(
        "part the documents into domains: by source, by a classifier, or by clusters",
        "pairwright bucket deduped --out bucketed --set bucket.rule=cluster --set bucket.min_size=50",
        ("ingest", "bucket"),
        ("bucket", "source", "encoder", "models", "seed"),
        (DOMAINS, GUESSES),
        {},
    ),
}


def read_settings(step: Step, config: Path | None, given: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a step as nested plain data: its own first ones, then the file's, then --set.

    Raises: RecipeError for a file that is no YAML, a --set without =, a section that the step does not read.
    """
    found: dict[str, Any] = {name: dict(section) for name, section in step.preset.items()}
    faults = []
    if config is not None:
        try:
            held = read_yaml(config) or {}
        except OSError as error:
            raise RecipeError(f"--config {config} cannot be read: {error.strerror}") from error
        if not isinstance(held, dict):
            raise RecipeError(rule("--config", "a mapping of sections", held))
        _merge(found, held)
    for each in given:
        key, equals, value = each.partition("=")
        try:
            nested: Any = parse_yaml(value, "--set")
        except RecipeError:
            nested = value
        if not equals or not key:
            faults.append(f"--set must be KEY=VALUE, got {each!r}; try --set {step.sections[0]}.NAME=VALUE")
            continue
        for name in reversed(key.split(".")):
            nested = {name: nested}
        _merge(found, nested)
    faults += [
        rule("--set", f"a setting of {', '.join(step.sections)}", name) for name in found if name not in step.sections
    ]
    if faults:
        raise RecipeError(faults)
    return found


def _merge(found: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(found.get(name), dict):
            _merge(found[name], value)
        else:
            found[name] = value


def make_recipe(
    name: str,
    path: str,
    format: str | None = None,  # noqa: A002
    config: Path | None = None,
    given: Sequence[str] = (),
    against: Sequence[str] = (),
    split: str = "test",
) -> tuple[Recipe, Path | None]:
    """Return what the arguments say as a recipe, and the folder of DOCUMENTS where PATH is an earlier step's.

    Raises: RecipeError with every fault at once.
    """
    step = STEPS[name]
    settings = read_settings(step, config, given)
    table = None if format else find_documents(Path(path))
    if table is not None and len(step.stages) == 1 and step.cut is None:
        raise RecipeError(
            f"{name} must read raw files, got {path}, which an earlier step wrote; try the files that it was made of"
        )
    source = settings.pop("source", {})
    if "clean" in settings:
        source["clean"] = settings.pop("clean")
    sources = [{**each, **source} for each in ([_STAND_IN] if table else _sources_of(path, format))]
    evaluation = [{"name": name_folder(Path(each).resolve().name), "path": each, "split": split} for each in against]
    whole = {**settings, "name": name, "sources": sources, "evaluation": evaluation}
    return resolve_recipe(Recipe.from_mapping(whole), Path.cwd()), table


_STAND_IN = {"name": "documents", "format": "parquet", "path": "."}  # a recipe has a source; this one is not read


def _sources_of(path: str, wanted: str | None) -> list[dict[str, Any]]:
    if wanted and FORMATS[wanted].list_files:
        return [{"name": wanted, "format": wanted, "packages": path.split(",")}]
    formats = [wanted] if wanted else formats_in(path, f"--format {'|'.join(FORMATS)}")
    stem = name_folder(Path(path).resolve().name.partition(".")[0].strip("*?[]") or "documents")
    return [
        {
            "name": stem if len(formats) == 1 else f"{stem}-{each}",
            "format": each,
            "path": path,
            **({"split": None} if FORMATS[each].layout else {}),
        }
        for each in formats
    ]


def find_documents(path: Path) -> Path | None:
    """Return the folder of DOCUMENTS that an earlier step, or a stage, wrote at a path; None for anything else."""
    for folder in (path / DOCUMENTS.name, path):
        first = next(iter(sorted(folder.rglob("*.parquet"))), None) if folder.is_dir() else None
        if first is not None:
            try:
                names = set(pq.read_schema(first).names)
            except (OSError, ValueError):
                return None
            if set(DOCUMENTS.names) - {"domain"} <= names:  # in folders by domain, that column is their name
                return folder
    return None
