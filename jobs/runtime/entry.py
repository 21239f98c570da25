"""The arguments and the entry that every ``spark-submit jobs/NAME.py`` shares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jobs.runtime.exit_status import run_to_status
from jobs.runtime.runner import finish_stage, run_stage
from jobs.runtime.stage import Stage
from jobs.runtime.workspace import open_workspace


def make_parser(prog: str, text: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Return a parser of the arguments that every entry over a recipe takes."""
    parser = argparse.ArgumentParser(prog=prog, description=text, epilog=epilog)
    parser.add_argument("recipe", type=Path, help="recipe file (YAML)")
    parser.add_argument(
        "--workspace",
        default="workspace",
        help="where tables, datasets and models go: a path, or s3://, gs://, abfs:// ... (default: ./workspace)",
    )
    parser.add_argument("--spark-conf", type=Path, help="Spark properties file (default: spark-conf/local.conf)")
    parser.add_argument(
        "--conf", action="append", default=[], metavar="KEY=VALUE", help="one Spark setting; repeatable"
    )
    return parser


def main(stage: Stage, argv: Sequence[str] | None = None) -> None:
    """Run one stage: ``spark-submit jobs/NAME.py RECIPE [--workspace DIR]``; exit status 1 when it fails."""
    args = make_parser(f"jobs/{stage.name}.py", f"Run the stage {stage.name} of a recipe.").parse_args(argv)
    sys.exit(run_to_status(lambda: _run(stage, args)))


def _run(stage: Stage, args: argparse.Namespace) -> int:
    workspace = open_workspace(args.recipe, args.workspace, args.spark_conf, args.conf)
    with workspace.hold_lease(f"jobs/{stage.name}.py {workspace.recipe.name}"):
        manifest = workspace.manifest(stage.name)
        if manifest is None:
            manifest = run_stage(stage, workspace)
        else:
            finish_stage(stage, workspace)
        workspace.stop_spark()
    rows = ", ".join(f"{name} {facts['rows']:,} rows" for name, facts in manifest["outputs"].items() if "rows" in facts)
    print(f"{stage.name}: {rows or 'done'} in {manifest['seconds']} s")
    return 0
