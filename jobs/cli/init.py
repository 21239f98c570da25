"""``pairwright init PATH...``: look at files, show them as documents, and write a commented recipe that builds.

What is written is what the files look like, nothing else: every guess stands in the recipe, to be read and changed.
No language model is chosen for anybody: a model that happens to be there is not one to train on what it writes.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs.cli.sketch import Sketch, sketch_path
from jobs.setup.models import BASE_MODEL
from jobs.store.files import write_atomic
from pipeline.index.config import LANGUAGES
from pipeline.languages import identify_language
from pipeline.locations import is_uri
from pipeline.recipe import Recipe
from schemas.errors import RecipeError, rule

_SHOWN, _WIDTH = 3, 96
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NO_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "none"))
_ENGLISH = "en"


def init_recipe(paths: Sequence[str], out: Path | None, name: str | None, *, force: bool) -> int:
    """Write a recipe for some paths, and print what it was made of."""
    sketches = _name_apart([sketch for path in paths for sketch in sketch_path(path)])
    recipe_name = _recipe_name(name or (out.stem if out else sketches[0].settings["name"]))
    target = out or Path(f"{recipe_name}.yaml")
    if target.exists() and not force:
        raise RecipeError(rule("--out", "a file that is not there yet", str(target), "--force, or another name"))
    if not target.parent.is_dir():
        raise RecipeError(rule("--out", "in a folder that is there", str(target)))
    for sketch in sketches:
        print("\n".join(_show_sketch(sketch)))
    text = "\n".join(write_lines(recipe_name, sketches, target.resolve().parent)) + "\n"
    write_atomic(target, text.encode())
    if not any(sketch.documents for sketch in sketches):
        print(
            f"\nwrote {target}, which will not build yet: no row could be read; the settings of the format may mend it"
        )
        return 0
    print(f"\nwrote {target}; next: pairwright recipe {target} --check, then pairwright build {target}")
    return 0


def _name_apart(sketches: list[Sketch]) -> list[Sketch]:
    """Give sources of one name names of their own."""
    seen: Counter[str] = Counter()
    for sketch in sketches:
        name = str(sketch.settings["name"])
        seen[name.casefold()] += 1
        if seen[name.casefold()] > 1:
            sketch.settings["name"] = f"{name}-{seen[name.casefold()]}"
    return sketches


def _recipe_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_") or "corpus"


def _show_sketch(sketch: Sketch) -> Iterator[str]:
    """Yield what a source looks like, and its first documents."""
    shown = {key: value for key, value in sketch.settings.items() if key not in ("name", "path", "format")}
    files = f"{sketch.files:,} file{'s' * (sketch.files != 1)}, {_size(sketch.size)}"
    yield f"\n{sketch.settings['path']}: {sketch.settings['format']}, {files}"
    yield from (f"  {key}: {_inline(value)}" for key, value in shown.items())
    yield from (f"  note: {remark}" for remark in sketch.remarks)
    for record in sketch.documents[:_SHOWN]:
        told = [record.native_id or "", record.title, " ".join(record.text.split())]
        line = "    " + "  |  ".join(part for part in told if part)
        yield line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."
    if sketch.rejects:
        first = sketch.rejects[0]
        rows = f"{len(sketch.rejects)} of the first {len(sketch.rejects) + len(sketch.documents)} rows"
        yield f"  {rows} cannot be read, as {first.path}:{first.line} {first.reason}: {first.detail}"


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def write_lines(name: str, sketches: Sequence[Sketch], folder: Path) -> Iterator[str]:
    """Yield the lines of a recipe that lies in a folder."""
    yield "# Written by `pairwright init` from a look at the files. Every setting: docs/settings.md."
    yield f"name: {_word(name)}"
    yield "sources:"
    for sketch in sketches:
        yield from _source_lines(sketch, folder, is_only=not any(each.documents for each in sketches))
    yield from _set_lines([each for sketch in sketches for each in sketch.sets], folder)
    language = _language_of(sketches)
    if language != _ENGLISH:
        yield "# The texts look like this language: it decides how words are cut for the lexical search."
        yield f"index: {{language: {language}}}"
    yield from _model_lines(language)
    yield "# What is usually changed next, with its defaults:"
    yield "# dedupe: {threshold: 0.8}     # two texts that share this much are duplicates"
    yield "# holdout: {fraction: 0.15}    # share of the documents kept apart to measure the model on"
    yield "# bucket: {min_size: 100}      # documents that a domain needs to be one"
    yield "# train: {stage1: {max_steps: 80}, stage2: {max_steps: 32}}   # a short training to try it all out"


def _source_lines(sketch: Sketch, folder: Path, *, is_only: bool) -> Iterator[str]:
    for remark in sketch.remarks:
        yield f"  # {remark}"
    out = "" if sketch.documents or is_only else "# "
    if out:
        yield "  # Of this one nothing could be read, so that it is left out:"
    for place, (key, value) in enumerate(sketch.settings.items()):
        yield f"  {out}{'  ' if place else '- '}{key}: {_inline(_relative(value, folder) if key == 'path' else value)}"
    if not sketch.settings.get("fields") and sketch.settings["format"] in ("csv", "tsv", "jsonl", "json", "parquet"):
        yield "    # fields: {id: ..., title: ..., text: ...}   # your names of them; these are called so already"


def _set_lines(sets: Sequence[dict[str, Any]], folder: Path) -> Iterator[str]:
    if sets:
        yield "# Evaluation sets: training never sees what they ask or answer, and the model is measured on them."
        yield "evaluation:"
    for each in sets:
        yield f"  - {_inline({**each, 'path': _relative(each['path'], folder)})}"


def _model_lines(language: str) -> Iterator[str]:
    """Yield which models there are: the demo's embedding model where it is installed, and never a language model."""
    home = Recipe.model_construct(models="").models_home()
    other = "" if language == _ENGLISH else "; it was made for English: a multilingual one serves these texts better"
    if (home / BASE_MODEL / "config.json").is_file():
        yield f"# The embedding model that mines, is trained and teaches{other}."
        yield f"encoder: {{model: {BASE_MODEL}}}"
        yield f"label: {{base: {BASE_MODEL}}}"
        yield f"train: {{model: {BASE_MODEL}}}"
    else:
        yield f"# The embedding model: none is installed ({home}); `make setup` fetches the demo's, or name a folder"
        yield "# of a sentence-transformers model (a build gets as far as mining without one)."
        yield "# encoder: {model: /path/to/model}"
        yield "# label: {base: /path/to/model}"
        yield "# train: {model: /path/to/model}"
    yield "# Queries and hard negatives written by a language model are off: what a small model writes unasked is not"
    yield "# worth training on. To have them, put one that follows instructions into the synthesise line below:"
    yield "# synthesise: {url: 'http://localhost:8000/v1', model_name: NAME, queries: 300, negatives: 100}"
    yield "synthesise: {queries: 0, negatives: 0}"


def _language_of(sketches: Sequence[Sketch]) -> str:
    """Return the language that most of the first texts are in, as far as the lexical search knows it."""
    texts = [record.text for sketch in sketches for record in sketch.documents[:60] if len(record.text) > 40]
    counts = Counter(code for code, probability in map(identify_language, texts) if probability > 0.9)
    best, count = next(iter(counts.most_common(1)), (_ENGLISH, 0))
    return best if best in LANGUAGES and count * 2 > len(texts) else _ENGLISH


def _relative(path: str, folder: Path) -> str:
    """Return a path as it stands in a recipe of that folder: relative where it lies below."""
    if is_uri(path):
        return path
    whole = os.path.normpath(os.path.abspath(path))  # noqa: PTH100 -- a glob is no path to resolve
    return os.path.relpath(whole, folder) if Path(whole).is_relative_to(folder) else whole


def _inline(value: Any) -> str:
    """Return plain data as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_word(str(key))}: {_inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(each) for each in value) + "]"
    return _word(value) if isinstance(value, str) else json.dumps(value)


def _word(text: str) -> str:
    """Return a word as YAML: in quotes unless nothing in it could be read otherwise."""
    is_plain = _PLAIN_WORD.fullmatch(text) and text.lower() not in _NO_WORDS and not text.endswith(":")
    return text if is_plain else json.dumps(text, ensure_ascii=not text.isprintable())
