"""The arguments and the entry that every command and every ``spark-submit jobs/NAME.py`` shares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jobs.runtime.runner import run_stage
from jobs.runtime.stage import Stage
from jobs.runtime.workspace import Workspace
from pipeline.recipe import load_recipe
from schemas.errors import PairwrightError, RecipeError


def add_workspace(parser: argparse.ArgumentParser, recipes: str | None = None) -> None:
    """Add the arguments that every command over a recipe takes; ``recipes`` "+" = one or more of them."""
    parser.add_argument("recipe", type=Path, nargs=recipes, help="recipe file (YAML)")
    parser.add_argument(
        "--workspace",
        default="workspace",
        help="where tables, datasets and models go: a path, or s3://, gs://, abfs:// ... (default: ./workspace)",
    )
    add_spark(parser)


def add_spark(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how Spark runs."""
    parser.add_argument("--spark-conf", type=Path, help="Spark properties file (default: spark-conf/local.conf)")
    parser.add_argument(
        "--conf", action="append", default=[], metavar="KEY=VALUE", help="one Spark setting; repeatable"
    )


def spark_settings(given: Sequence[str]) -> dict[str, str]:
    """Return the values of ``--conf`` as a mapping. Raises: RecipeError for one without =."""
    settings = dict(each.split("=", 1) for each in given if "=" in each)
    if len(settings) != len(given):
        raise RecipeError(f"--conf must be KEY=VALUE, got {list(given)}; try --conf spark.driver.memory=4g")
    return settings


def open_workspace(args: argparse.Namespace) -> Workspace:
    """Return the workspace that the arguments of :func:`add_workspace` name."""
    return Workspace.open(load_recipe(args.recipe), args.workspace, args.spark_conf, spark_settings(args.conf))


def main(stage: Stage, argv: Sequence[str] | None = None) -> None:
    """Run one stage: ``spark-submit jobs/NAME.py RECIPE [--workspace DIR]``; exit status 1 when it fails."""
    parser = argparse.ArgumentParser(
        prog=f"jobs/{stage.name}.py", description=f"Run the stage {stage.name} of a recipe."
    )
    add_workspace(parser)
    args = parser.parse_args(argv)
    try:
        workspace = open_workspace(args)
        with workspace.hold_lease(f"jobs/{stage.name}.py {workspace.recipe.name}"):
            manifest = workspace.manifest(stage.name) or run_stage(stage, workspace)
            workspace.stop_spark()
    except PairwrightError as error:
        sys.stderr.write(f"pairwright: {error}\n")
        sys.exit(error.exit_status)
    rows = ", ".join(f"{name} {facts['rows']:,} rows" for name, facts in manifest["outputs"].items() if "rows" in facts)
    print(f"{stage.name}: {rows or 'done'} in {manifest['seconds']} s")
