"""``pairwright recipe FILE --check``: every fault of a recipe, and of what it names, in one go.

What the settings say by themselves is checked by their classes. Here the files, models and servers that they name are
opened: a fault is what no build can get over, a warning what may still come (sources, models, a server).
"""

from __future__ import annotations

import glob
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from jobs.cli.check_models import look_at_encoder, look_at_synthesis, look_at_teacher, look_at_trained
from jobs.cli.findings import SECONDS, Finding, answer_within, find_missing
from jobs.cli.guess import guess_delimiter
from pipeline.holdout.config import EvalSetConfig, source_of_set
from pipeline.ingest.config import SourceConfig, resolve_path
from pipeline.ingest.erase import read_erased
from pipeline.ingest.files import list_files
from pipeline.ingest.preview import read_first
from pipeline.locations import faults_of_path, is_uri
from pipeline.readers.config import FIELDS, FieldsConfig
from pipeline.readers.formats.csv_tsv import CsvConfig
from pipeline.readers.records import MISSING_FIELD, REJECT, Record
from pipeline.readers.registry import FORMATS
from pipeline.recipe import Recipe, read_recipe, resolve_recipe
from schemas.config import ask_each
from schemas.errors import PairwrightError, RecipeError, rule
from schemas.nearest import find_nearest

T = TypeVar("T")
_ROWS = 40


def check_recipe(path: Path) -> tuple[str, list[Finding]]:
    """Return the recipe's name and all that is to be said of it.

    Raises: RecipeError for a file that is no recipe at all.
    """
    recipe, faults = read_recipe(path)
    folder = path.resolve().parent
    if not faults:
        recipe = resolve_recipe(recipe, folder)
    findings = [Finding(fault) for fault in faults]
    for look in (_look_at_erased, look_at_encoder, look_at_trained, look_at_teacher, look_at_synthesis):
        findings += _ask(look, [recipe], folder)
    for sources in ask_each([recipe], lambda each: each.sources):
        findings += _ask(_look_at_source, sources, folder)
    for sets in ask_each([recipe], lambda each: each.evaluation):
        findings += _ask(_look_at_set, sets, folder)
    return next(iter(ask_each([recipe], lambda each: each.name)), path.stem), findings


def print_check(path: Path) -> int:
    """Print what a check finds; return 1 when a build cannot get over it."""
    name, findings = check_recipe(path)
    for finding in findings:
        sys.stderr.write(f"pairwright: {'warning: ' * finding.is_warning}{finding.text}\n")
    warnings = sum(finding.is_warning for finding in findings)
    if len(findings) > warnings:
        return 1
    told = f"has no fault, but {warnings} warning{'s' * (warnings > 1)}" if warnings else "is sound"
    print(f"{path}: recipe {name} {told}")
    return 0


def _ask(look: Callable[[T, Path], Iterator[Finding]], items: Iterable[T], folder: Path) -> list[Finding]:
    """Return what is to be said of each item, as far as its own settings are sound."""

    def ask(item: T) -> list[Finding]:
        try:
            return list(look(item, folder))
        except OSError as error:  # a name too long, no permission
            return [Finding(f"{error.filename} cannot be looked at: {error.strerror}", is_warning=True)]

    return [finding for found in ask_each(items, ask) for finding in found]


def _look_at_source(source: SourceConfig, folder: Path) -> Iterator[Finding]:
    """Say what is not where the source has it, and what its first rows lack."""
    where = f"sources.{source.name}"
    path = resolve_path(source.path, folder) if source.path else ""
    sound = _resolve(source, path)
    if sound is None:  # its own faults are told already; whether there is something can be told all the same
        if path and not is_uri(path) and not faults_of_path("", path) and not glob.glob(path):  # noqa: PTH207
            yield find_missing(f"{where}.path", path)
        return
    source = sound
    form = FORMATS[source.format]
    try:
        files = answer_within(SECONDS, lambda: list_files(source)) if is_uri(path) else list_files(source)
    except RecipeError as error:
        is_there = is_uri(path) or not path or bool(glob.glob(path))  # noqa: PTH207
        if is_there and form.layout:
            yield Finding(f"{error}{_splits_in(path, form.layout['qrels'])}")
        else:
            yield Finding(str(error), is_warning=True) if is_there else find_missing(f"{where}.path", path)
        return
    except (PairwrightError, OSError) as error:
        yield Finding(f"{where}.path cannot be looked at now: {error}", is_warning=True)
        return
    if not is_uri(path) and not form.list_files:
        yield from _look_at_rows(where, read_first(source, files, _ROWS), len(files), MISSING_FIELD)
        if isinstance(source, FieldsConfig):
            yield from _look_at_fields(source, where)


def _resolve(source: SourceConfig, path: str) -> SourceConfig | None:
    """Return the source with its path as it is opened; None where a setting of it is at fault."""
    try:
        return next(iter(ask_each([source], lambda each: each.replace(path=path))), None)
    except RecipeError:
        return None


def _look_at_rows(where: str, records: list[Record], files: int, but: str = "") -> Iterator[Finding]:
    """Say so when of a file's first rows none can be read, for another reason than the one told elsewhere.

    It is a fault where there is nothing else; a build gets over one broken file among others.
    """
    is_all = all(record.kind == REJECT for record in records) and files <= len({record.path for record in records})
    for path in dict.fromkeys(record.path for record in records):
        of_file = [record for record in records if record.path == path]
        first = of_file[0]
        if first.reason != but and all(record.kind == REJECT for record in of_file):
            place = f"{first.path}:{first.line}" if first.line else first.path
            fault = f"{where} must give rows that can be read, got {place} {first.reason}: {first.detail}"
            yield Finding(fault, is_warning=not is_all)


def _look_at_fields(source: FieldsConfig, where: str) -> Iterator[Finding]:
    """Say which of the names in ``fields`` no row of the first file has, and which one is near."""
    files = list_files(source)[:1]
    has_header = source.format not in ("jsonl", "json")  # where not, a field may come with later rows
    for field, column in {"text": "", **source.fields}.items():
        asked = source.replace(fields={"text": column}) if column else source
        records = read_first(asked, files, _ROWS)
        if not records or not all(each.kind == REJECT and each.reason == MISSING_FIELD for each in records):
            continue
        has = re.search(r" has: (.*?)(; try|$)", records[0].detail or "")
        names = has.group(1).split(", ") if has else []
        usual = (name for name in names if find_nearest(name, FIELDS) == field)
        meant = find_nearest(column, names) if column else next(usual, None)
        delimiter = guess_delimiter(names[0]) if len(names) == 1 else None
        if isinstance(source, CsvConfig) and delimiter not in (None, source.delimiter):
            meant = f"sources.{source.name}.delimiter: {delimiter!r}"
        must_be = f"a field of {files[0].path} ({', '.join(names)})"
        fault = rule(f"{where}.fields.{field}", must_be, column, meant=meant)
        yield Finding(fault, is_warning=not has_header and field != "text")


def _look_at_set(evaluation: EvalSetConfig, folder: Path) -> Iterator[Finding]:
    """Say what an evaluation set lacks: folder, corpus, queries, judgements of its split."""
    where, path = f"evaluation.{evaluation.name}", resolve_path(evaluation.path, folder)
    if is_uri(path):
        return
    if not Path(path).is_dir():
        yield find_missing(f"{where}.path", path)
        return
    try:
        source = source_of_set(evaluation.replace(path=path))
        files = list_files(source)
    except RecipeError as error:
        fault = str(error).replace(f"sources.{evaluation.name}", where)
        yield Finding(f"{fault}{_splits_in(path, FORMATS['beir'].layout['qrels'])}")
        return
    for file in files:
        yield from _look_at_rows(where, read_first(source, [file], _ROWS), 1)


def _splits_in(path: str, pattern: str) -> str:
    """Return the splits whose judgements a folder has, as the end of a message."""
    before, _, after = pattern.partition("{}")
    places = sorted(Path(path).glob(f"{before}*{after}*")) if Path(path).is_dir() else []
    names = [str(place.relative_to(path)).removeprefix(before).partition(after)[0] for place in places]
    return f"; its splits are {', '.join(dict.fromkeys(names))}" if names else ""


def _look_at_erased(recipe: Recipe, folder: Path) -> Iterator[Finding]:
    if recipe.erase and not faults_of_path("erase", recipe.erase):
        path = resolve_path(recipe.erase, folder)
        if not Path(path).exists():
            yield Finding(find_missing("erase", path).text)
            return
        try:
            read_erased(path)
        except RecipeError as error:
            yield Finding(str(error))
