"""Arguments and options that several commands take, each declared once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from jobs.runtime.workspace import Workspace, open_workspace

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="recipe file (YAML)", show_default=False)]
RecipeFiles = Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="recipe files (YAML)", show_default=False)]
WorkspaceName = Annotated[
    str,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="where tables, datasets and models go: a path, or s3://, gs://, abfs:// ...",
    ),
]
SparkConf = Annotated[
    Path | None,
    typer.Option("--spark-conf", metavar="FILE", help="Spark properties file (default: spark-conf/local.conf)"),
]
Conf = Annotated[
    list[str] | None,
    typer.Option("--conf", metavar="KEY=VALUE", help="one Spark setting; repeatable", show_default=False),
]


def open_given(recipe: Path, workspace: str, spark_conf: Path | None, conf: list[str] | None) -> Workspace:
    """Return the workspace that the options name. Raises: RecipeError with every fault at once."""
    return open_workspace(recipe, workspace, spark_conf, conf or [])


def check_choice(value: str, choices: Sequence[str]) -> str:
    """Return a value that is one of the choices. Raises: BadParameter that names the nearest of them."""
    if value in choices:
        return value
    near = difflib.get_close_matches(value, choices, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise typer.BadParameter(f"must be one of {', '.join(choices)}, got {value!r}{hint}")
