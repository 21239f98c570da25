"""The ``pairwright`` command: which commands there are, and what each of them ends with."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from jobs.cli import commands
from jobs.cli.export import export
from jobs.cli.lint import STATUS, lint
from jobs.cli.review import review
from jobs.cli.step_commands import make_command
from jobs.cli.steps import STEPS
from jobs.engines.quiet import quiet_environment
from jobs.runtime.exit_status import NIGHTLY, run_to_status

# The commands, in the order of the help: a new one is a function and a line here, with an example of its use.
COMMANDS: tuple[tuple[Callable[..., int], str], ...] = (
    (commands.init, "pairwright init faq.csv handbook/ --out support.yaml"),
    (commands.build, "pairwright build my.yaml --until publish"),
    (commands.train, "pairwright train my.yaml"),
    (commands.evaluate, "pairwright evaluate my.yaml"),
    (commands.stage, "pairwright stage dedupe my.yaml --force"),
    (commands.nightly, f"pairwright nightly my.yaml --workspace /data/pw\n\n{NIGHTLY}"),
    (commands.refresh, "pairwright refresh my.yaml --model models/tuned"),
    (commands.gc, "pairwright gc my.yaml --dry-run"),
    (commands.rollback, "pairwright rollback my.yaml --to 0a1b2c3d4e5f6071"),
    (review, "pairwright review my.yaml --pairs 50"),
    (commands.explain, "pairwright explain 3f1c9a7be2d05a44"),
    (commands.report, "pairwright report my.yaml"),
    (export, "pairwright export my.yaml --format flagembedding --out fe"),
    (lint, f"pairwright lint train.jsonl --against beir/scifact --fix cleaned\n\n{STATUS}"),
    (commands.doctor, "pairwright doctor"),
    (commands.recipe, "pairwright recipe my.yaml --check"),
)

_EXAMPLES = """\b
examples:
  pairwright build jobs/recipes/pydocs-demo.yaml   raw text to dataset, model, scores and report
  pairwright build my.yaml --until publish         the dataset alone
  pairwright stage dedupe my.yaml                  one stage; its inputs must be built
  pairwright dedupe crawl/ --out deduped           one step alone, over files of any format
  pairwright explain scipy.linalg.lu_factor        the story of a document, by symbol or by id
  pairwright init faq.csv handbook/                a commented recipe for your own files
  pairwright recipe my.yaml --check                every fault of a recipe at once
  pairwright doctor                                what this machine has and lacks
"""
_PLAIN = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def make_app() -> typer.Typer:
    """Return the whole command line."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(invoke_without_command=True, epilog=_EXAMPLES, context_settings=_PLAIN)(begin)
    for function, example in COMMANDS:
        app.command(epilog=f"\b\nexample:\n  {example}")(end_with_status(function))
    for name, step in STEPS.items():
        text = f"{step.text[0].upper()}{step.text[1:]}.\n\nSections that --set takes: {', '.join(step.sections)}."
        app.command(name, help=text, epilog=f"\b\nexample:\n  {step.example}")(end_with_status(make_command(name)))
    return app


def begin(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="print the version and end")] = False,
) -> None:
    """Raw text in, training sets for text-embedding models out, and the trained model measured."""
    if show_version:
        typer.echo(f"pairwright {find_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def find_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("pairwright")
    except PackageNotFoundError:  # a checkout that was never installed
        return "of a checkout that is not installed"


def end_with_status(function: Callable[..., int]) -> Callable[..., None]:
    """Return the function as a command, which ends with the status that it returns or that its failure has."""

    @functools.wraps(function)
    def run(*args: object, **options: object) -> None:
        raise typer.Exit(run_to_status(functools.partial(function, *args, **options), (typer.TyperException,)))

    return run


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exit status 0 done, 1 failed, 2 wrong arguments, 4 audit failed, 130 stopped; nightly: 3 too."""
    quiet_environment()  # before any library is imported
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    make_app()(args=None if argv is None else list(argv), prog_name="pairwright")
