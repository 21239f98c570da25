"""``pairwright review``: candidates are read and answered on a page of this machine, in a sheet, or by a model."""

from __future__ import annotations

import getpass
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.options import RecipeFile, WorkspaceName, check_choice
from pipeline.recipe import load_recipe
from pipeline.review.config import LLM, PERSON, ReviewConfig
from pipeline.review.draw import MOST_PAIRS
from schemas.errors import EngineError, RecipeError, rule


def review(
    recipe: RecipeFile,
    root: WorkspaceName = "workspace",
    pairs: Annotated[
        int | None,
        typer.Option(metavar="N", help="questions (default: review.pairs)", min=1, max=MOST_PAIRS, show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="who answers (default: you)", show_default=False)
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="WHO",
            help=f"{PERSON}, or {LLM}: the model of review.url (default: review.by)",
            callback=lambda value: value and check_choice(value, [PERSON, LLM]),
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="port of the page; 0 = a free one", min=0, max=65535)] = 0,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE.tsv", help="write the questions as a sheet instead")
    ] = None,
    read: Annotated[
        Path | None, typer.Option("--import", metavar="FILE.tsv", help="keep the answers of such a sheet")
    ] = None,
) -> int:
    """Show pairs on a local page, and keep what you answer.

    Does the candidate answer the query? Keys: y yes, n no, u unsure, z take back. The page is for this machine alone;
    its address holds a secret.
    """
    from jobs.views.ledger import Ledger
    from jobs.views.review.by_model import ask_model, open_generator, reviewer_of, tell_agreement
    from jobs.views.review.pool import Pool
    from jobs.views.review.server import serve
    from jobs.views.review.session import Session
    from jobs.views.review.sheet import export_sheet, import_sheet

    if export is not None and read is not None:
        raise RecipeError("one of --export and --import must be given, got both; try one after the other")
    found = load_recipe(recipe)
    cfg = found.review if by is None else _asked_by(by, found.review)
    is_model = cfg.by == LLM and export is None and read is None
    reviewer = reviewer_of(cfg) if is_model else f"{PERSON}:{_name(name)}"
    session = Session(Pool(Ledger(root, found.name)), cfg, found.seed, reviewer, pairs)
    if is_model:
        outcome = ask_model(session, open_generator(cfg), found.seed, _show_progress)
        print(outcome.tell())
        print(tell_agreement(session))
    elif export is not None:
        print(f"{export_sheet(session, export):,} questions in {export}; answer them, then --import {export}")
    elif read is not None:
        kept, empty = import_sheet(session, read)
        print(f"{kept:,} new answers, {empty:,} rows without one")
    else:
        known = session.standing()
        print(f"{known.answered:,} of {known.asked:,} questions are answered; Ctrl-C ends the page, answers are kept")
        try:
            serve(session, port, print)
        except OSError as error:
            raise EngineError(f"port {port} must be free, got {error.strerror}; try --port 0") from error
    for line in session.tell():
        print(line)
    return 0


def _show_progress(done: int, total: int) -> None:
    """Say how many answers there are, where somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done:,} of {total:,} answers" + ("\n" if done == total else ""))


def _asked_by(by: str, cfg: ReviewConfig) -> ReviewConfig:
    """Return the settings with another reviewer. Raises: RecipeError where a model is asked and none is named."""
    try:
        return cfg.replace(by=by)
    except RecipeError as error:
        raise RecipeError([f"review.{fault}" for fault in error.faults]) from None


def _name(given: str | None) -> str:
    """Return who answers. Raises: RecipeError for a name that is no word."""
    if given is None:
        try:
            given = re.sub(r"[^\w.@-]+", "-", getpass.getuser()) or "me"
        except (KeyError, OSError):  # a process without a name
            given = "me"
    if not re.fullmatch(r"[\w.@-]{1,64}", given):
        raise RecipeError(rule("--as", "letters, digits, and . @ - _", given, "--as ana"))
    return given
