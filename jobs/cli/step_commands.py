"""The commands of the steps: ``pairwright clean|passages|dedupe|guard|bucket PATH --out DIR``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.options import Conf, SparkConf, check_choice
from jobs.cli.steps import STEPS, make_recipe
from jobs.runtime.step import Job
from jobs.runtime.workspace import read_spark_settings
from pipeline.readers.registry import FORMATS

InputPath = Annotated[
    str,
    typer.Argument(
        metavar="PATH", help="file, folder or glob; for pydocs packages, parted by commas; or an earlier step's --out"
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="folder to write")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help=f"how PATH is read: {', '.join(FORMATS)} (default: by the names of its files)",
        callback=lambda value: value and check_choice(value, list(FORMATS)),
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="a setting of the sections above; repeatable", show_default=False),
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="the same settings as YAML; --set goes before")
]
Force = Annotated[bool, typer.Option("--force", help="replace DIR if it is there")]
Against = Annotated[
    list[str], typer.Option("--against", metavar="FOLDER", help="evaluation set as a BEIR folder; repeatable")
]
Split = Annotated[str, typer.Option("--split", metavar="NAME", help="its qrels/<split>.tsv")]


def make_command(name: str) -> Callable[..., int]:
    """Return the function of a step's command, whose parameters are the command's."""

    def run(
        path: InputPath,
        out: Out,
        format: Format = None,  # noqa: A002 - the option's name
        settings: Settings = None,
        config: Config = None,
        force: Force = False,
        spark_conf: SparkConf = None,
        conf: Conf = None,
    ) -> int:
        recipe, table = make_recipe(name, path, format, config, settings or [])
        return _run(Job(name, STEPS[name], recipe, table, out, force), spark_conf, conf)

    def run_against(
        path: InputPath,
        out: Out,
        against: Against,
        split: Split = "test",
        format: Format = None,  # noqa: A002
        settings: Settings = None,
        config: Config = None,
        force: Force = False,
        spark_conf: SparkConf = None,
        conf: Conf = None,
    ) -> int:
        recipe, table = make_recipe(name, path, format, config, settings or [], against, split)
        return _run(Job(name, STEPS[name], recipe, table, out, force), spark_conf, conf)

    return run_against if STEPS[name].protects else run


def _run(job: Job, spark_conf: Path | None, conf: Sequence[str] | None) -> int:
    from jobs.runtime.step_run import run_step
    from jobs.runtime.terminal import Terminal

    Terminal().line(run_step(job, spark_conf, read_spark_settings(conf or [])))
    return 0
