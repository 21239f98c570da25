"""What a check says of a recipe's models: of the one that mines, the one trained, the teacher, the one that writes."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jobs.cli.findings import SECONDS, Finding, find_missing
from pipeline.ingest.config import resolve_path
from pipeline.recipe import Recipe
from schemas.encoding import read_encoding
from schemas.errors import RecipeError, rule
from schemas.head import read_head


def look_at_encoder(recipe: Recipe, folder: Path) -> Iterator[Finding]:
    """Say what the model that mines lacks."""
    cfg = recipe.encoder
    if cfg.url is not None:
        yield from _look_at_server("encoder", cfg.url, cfg.model_name or "", cfg.api_key_env)
        return
    yield from _look_at_model(recipe, folder, "encoder.model", cfg.model, cfg.max_length, pools=True)


def look_at_trained(recipe: Recipe, folder: Path) -> Iterator[Finding]:
    """Say what the model that is trained lacks."""
    cfg = recipe.train
    yield from _look_at_model(recipe, folder, "train.model", cfg.model, cfg.max_length, pools=True)


def look_at_teacher(recipe: Recipe, folder: Path) -> Iterator[Finding]:
    """Say what the model lacks that teaches, or that the teacher starts from."""
    cfg = recipe.label
    if not cfg.enabled:
        return
    field, name = ("label.model", cfg.model) if cfg.model else ("label.base", cfg.base)
    yield from _look_at_model(recipe, folder, field, name, cfg.max_length, pools=False)
    home = _model_home(recipe, folder, name)
    if cfg.model and (home / "config.json").is_file():
        try:
            read_head(home)
        except RecipeError as error:
            yield from map(Finding, error.faults)


def _look_at_model(
    recipe: Recipe, folder: Path, field: str, name: str, max_length: int | None, *, pools: bool
) -> Iterator[Finding]:
    home = _model_home(recipe, folder, name)
    section = field.partition(".")[0]
    if not home.is_dir():
        way_out = "" if os.sep in name else " (make setup fetches the demo's)"
        missing = find_missing(field, str(home))
        yield Finding(f"{missing.text}{way_out}" if missing.is_warning else missing.text, missing.is_warning)
        return
    try:
        encoder = recipe.encoder
        encoding = read_encoding(home, encoder.query_prefix, encoder.doc_prefix, field=section)
    except RecipeError as error:
        yield from (Finding(fault.replace(f"{section}.model", field)) for fault in error.faults)
        return
    for fault in encoding.faults(max_length, section):
        if pools or not fault.startswith(f"{section}.model"):
            yield Finding(fault)


def look_at_synthesis(recipe: Recipe, folder: Path) -> Iterator[Finding]:
    """Say so when no model is named, when there is none, or when nobody answers at the URL."""
    cfg = recipe.synthesise
    if cfg.url is not None:
        yield from _look_at_server("synthesise", cfg.url, cfg.model_name or "", cfg.api_key_env)
    elif not cfg.model:
        if {"queries", "negatives"} & cfg.model_fields_set and (cfg.queries or cfg.negatives):
            must_be = "named for the queries and negatives that are asked for; without it none are written"
            yield Finding(rule("synthesise.model", must_be, "", "a model, or a url"), is_warning=True)
    elif cfg.enabled and (cfg.queries or cfg.negatives):
        home = _model_home(recipe, folder, cfg.model)
        if not home.is_dir():
            yield find_missing("synthesise.model", str(home))
        elif not (home / "config.json").is_file():
            yield Finding(rule("synthesise.model", "a model directory with a config.json", str(home)))


def _look_at_server(section: str, url: str, model: str, key_variable: str | None) -> Iterator[Finding]:
    """Ask a server once for its models."""
    import httpx

    key = os.environ.get(key_variable, "") if key_variable else ""
    if key_variable and not key:
        yield Finding(rule(f"{section}.api_key_env", "a variable that is set", key_variable), is_warning=True)
    shown = re.sub(r"//[^/@]*@", "//", url)
    try:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = httpx.get(f"{url.rstrip('/')}/models", headers=headers, timeout=SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        must_be = f"a server that answers, which it does not now ({type(error).__name__})"
        yield Finding(rule(f"{section}.url", must_be, shown), is_warning=True)
        return
    if answer.status_code in (401, 403):
        must_be = f"a server that takes the key, which it answers with HTTP {answer.status_code}"
        yield Finding(rule(f"{section}.url", must_be, shown, "api_key_env"), is_warning=True)
        return
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        names = [str(each["id"]) for each in answer.json()["data"]]
        if names and model not in names:
            near = next(iter(difflib.get_close_matches(model, names, 1)), None)
            must_be = f"a model of the server ({', '.join(names[:5])})"
            yield Finding(rule(f"{section}.model_name", must_be, model, meant=near), is_warning=True)


def _model_home(recipe: Recipe, folder: Path, name: str) -> Path:
    if os.sep in name:
        return Path(name)
    return Path(resolve_path(recipe.models, folder)) / name if recipe.models else recipe.models_home() / name
