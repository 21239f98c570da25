"""``pairwright export``: a published dataset in the layout of another trainer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.cli.options import WorkspaceName, check_choice
from jobs.release.history import current_version
from jobs.store.layout import VERSION_MANIFEST, dataset_folder
from pipeline.recipe import load_recipe
from schemas.errors import EngineError, RecipeError, rule
from schemas.training import LAYOUTS, ROWS

_UNITS = {
    "rows": "rows",
    "left_out": "examples left out",
    "negatives": "negatives",
    "negatives_left_out": "negatives left out",
    "filled": "negatives taken from other rows",
}


def export(
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET", help="a recipe, whose current version is taken, or the folder of a version"),
    ],
    layout: Annotated[
        str,
        typer.Option(
            "--format", metavar="LAYOUT", help=", ".join(LAYOUTS), callback=lambda v: check_choice(v, LAYOUTS)
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder to make; must not exist")],
    negatives: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="most negatives of a row; for sentence-transformers as many columns (default: all)"
        ),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="for sentence-transformers: triplets = a row for each negative (default), tuples = a row with N "
            "negatives (default with --negatives), files = a file for each number of negatives",
            callback=lambda value: value if value is None else check_choice(value, ROWS),
        ),
    ] = None,
    pad: Annotated[
        bool, typer.Option("--pad", help="fill rows up to N negatives with positives of other rows")
    ] = False,
    root: WorkspaceName = "workspace",
) -> int:
    """Write a published dataset in the layout of another trainer."""
    arguments = [f"--dataset={find_version(dataset, root)}", f"--format={layout}", f"--out={out}"]
    arguments += [] if negatives is None else [f"--negatives={negatives}"]
    arguments += [f"--rows={rows}"] if rows else []
    arguments += ["--pad"] if pad else []
    print("\n".join([*describe_counts(run_export(arguments)), str(out)]))
    return 0


def find_version(dataset: str, root: str) -> str:
    """Return the folder of a version: of a recipe and of a folder of versions the current one.

    Raises: RecipeError when nothing was published there.
    """
    if "://" in dataset or (Path(dataset) / VERSION_MANIFEST).is_file():
        return dataset
    is_recipe = Path(dataset).is_file()
    home = dataset_folder(Path(root), load_recipe(Path(dataset)).name) if is_recipe else Path(dataset)
    version = current_version(home) if home.is_dir() else None
    if version is None:
        must_be = "a recipe of which a version is published, or the folder of a version"
        raise RecipeError(rule("DATASET", must_be, dataset, "pairwright build RECIPE --until publish, or --workspace"))
    return str(home / version)


def run_export(arguments: list[str]) -> dict[str, Any]:
    """Let the trainer export, and return what it counted. Raises: EngineError with its own last line."""
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "export", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), f"status {done.returncode}")
        raise EngineError(last.removeprefix("error: "))
    counts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["done"]
    return counts


def describe_counts(counts: dict[str, Any]) -> list[str]:
    """Return the counts as lines, one a stage, with their units; what is 0 is left out but for rows."""
    lines = []
    for stage in sorted({name.partition("_")[0] for name in counts if name.startswith("stage")}):
        told = [(counts.get(f"{stage}_{name}", 0), name, unit) for name, unit in _UNITS.items()]
        lines.append(f"{stage}  " + ", ".join(f"{n:,} {unit}" for n, name, unit in told if n or name == "rows"))
    rest = [f"{count:,} {name}" for name, count in counts.items() if isinstance(count, int) and "_" not in name]
    prompts = [f"put {text!r} before each {role}" for role, text in counts.get("prompts", {}).items()]
    return [*lines, *([", ".join(rest)] if rest else []), *prompts]
