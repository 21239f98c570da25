"""``pairwright lint FILE...``: look at a training set that someone else made, and write a cleaned copy if asked."""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli.options import check_choice
from pipeline.strict_yaml import parse_yaml
from schemas.errors import AuditError, EngineError, RecipeError, rule

if TYPE_CHECKING:  # no help text waits for NumPy
    from pipeline.lint.fix import Removal
    from pipeline.lint.rows import TrainingSet

FOUND = AuditError.exit_status
STATUS = f"exit status: 0 nothing found, or warnings alone; {FOUND} faults found (with --strict: or warnings); 1 failed"
_LAYOUTS = ("sentence-transformers", "flagembedding", "tevatron")

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="files, folders, globs: .jsonl, .csv, .tsv (also packed), .parquet",
        show_default=False,
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"{', '.join(_LAYOUTS)} (default: told by the first rows)",
        callback=lambda value: value and check_choice(value, _LAYOUTS),
        show_default=False,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="Q,P,N...", help="which columns are query, positive and negatives, in this order"),
]
Against = Annotated[
    list[str] | None,
    typer.Option(metavar="PLACE", help="evaluation set that must not leak: BEIR folder or file; repeatable"),
]


def lint(
    files: Files,
    layout: Layout = None,
    columns: Columns = None,
    against: Against = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="the judgements of --against: qrels/<split>.tsv")] = "test",
    model: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="sentence-transformers model that measures (default: the demo's, if there)"),
    ] = None,
    sample: Annotated[
        int, typer.Option(metavar="N", min=0, help="negatives that are measured by the model; 0 = none")
    ] = 1000,
    max_length: Annotated[
        int | None,
        typer.Option(metavar="N", min=8, help="tokens that the model to be trained reads (default: as --model says)"),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="what is not looked for, by its name in the table; repeatable"),
    ] = None,
    fix: Annotated[
        Path | None, typer.Option(metavar="DIR", help="write a cleaned copy there, and removed.jsonl; must not exist")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="with --fix: take out what is found of it too; repeatable"),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write a page (HTML) of all that was found")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="a threshold; repeatable", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON in place of the table")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="end with the status of faults for warnings too")] = False,
) -> int:
    """Look at a training set made elsewhere: duplicates, leaks, false negatives and more."""
    from jobs.cli.lint_tools import open_tools
    from jobs.views.lint import describe, lines_of, render_lint
    from pipeline.lint.config import LintConfig
    from pipeline.lint.context import Lint
    from pipeline.lint.files import find_files
    from pipeline.lint.fix import plan_removal
    from pipeline.lint.protected import make_table, read_protected
    from pipeline.lint.registry import KINDS, run_checks
    from pipeline.lint.rows import read_set

    for name in (*(ignore or ()), *(also or ())):
        check_choice(name, [*KINDS])
    if also and fix is None:
        raise typer.BadParameter("--also needs --fix DIR")
    if fix is not None and fix.exists():
        raise RecipeError(rule("--fix", "a folder that is not there yet", str(fix)))
    cfg = LintConfig.from_mapping(_read_settings(settings or []), "--set")
    found_files = find_files(files)
    sets = {Path(place).stem: read_protected(place, split) for place in against or ()}
    with tempfile.TemporaryDirectory(prefix="pairwright-lint-") as scratch:
        folder = Path(scratch)
        rows = read_set(found_files, folder, layout, [each for each in (columns or "").split(",") if each])
        protected, notes = make_table(rows, sets) if sets else (None, [])
        look = Lint(rows, cfg, folder, protected, *open_tools(model, max_length, sample, cfg.seed))
        findings = list(run_checks(look, ignore or ()))
        told = describe(rows, findings, [f"leaks are looked for in {note}" for note in notes])
        if fix is not None:
            told["fixed"] = _write_copy(rows, plan_removal(rows, findings, also or ()), fix)
        if report is not None:
            _write_report(report, render_lint(told, datetime.now(UTC)))
        print(json.dumps(told, indent=1, ensure_ascii=False) if as_json else "\n".join(lines_of(told)))
    return FOUND if told["faults"] or (strict and told["warnings"]) else 0


def _write_copy(rows: TrainingSet, plan: Removal, out: Path) -> dict[str, Any]:
    """Write the cleaned copy, which appears whole or not at all, and return what it holds."""
    from pipeline.lint.fix import write_fixed

    draft = out.with_name(f"{out.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        counts = write_fixed(rows, plan, draft)
        draft.rename(out)
    except OSError as error:
        raise EngineError(f"{out} cannot be written ({error.strerror}); try another folder or disk") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return {"to": str(out), **counts}


def _write_report(path: Path, page: str) -> None:
    from jobs.store.files import write_atomic

    try:
        write_atomic(path, page)
    except OSError as error:
        raise EngineError(f"report {path} cannot be written ({error.strerror}); try another folder or disk") from error


def _read_settings(given: list[str]) -> dict[str, Any]:
    """Return thresholds as plain data. Raises: RecipeError."""
    pairs = [each.partition("=") for each in given]
    faults = [rule("--set", "KEY=VALUE", each) for each, (_, sign, _) in zip(given, pairs, strict=True) if not sign]
    if faults:
        raise RecipeError(faults)
    return {key: parse_yaml(value, "--set") for key, _, value in pairs}
