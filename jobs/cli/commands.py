"""What ``pairwright`` can be asked to do: a command a function, which returns the exit status.

What a command needs is imported when it runs: no help text waits for Spark.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.options import Conf, RecipeFile, RecipeFiles, SparkConf, WorkspaceName, check_choice, open_given
from jobs.runtime import registry
from jobs.runtime.exit_status import STOPPED
from jobs.runtime.workspace import Workspace
from jobs.store.layout import dataset_folder
from pipeline.recipe import Recipe, load_recipe
from schemas.errors import PairwrightError

_STAGES = ", ".join(registry.STAGES)


def build(
    recipe: RecipeFile,
    root: WorkspaceName = "workspace",
    until: Annotated[
        str,
        typer.Option(
            metavar="STAGE",
            help=f"stop after this stage: {_STAGES}, report",
            callback=lambda value: check_choice(value, [*registry.STAGES, "report"]),
        ),
    ] = "report",
    spark_conf: SparkConf = None,
    conf: Conf = None,
) -> int:
    """Build a recipe: every stage that is not complete yet, then the report."""
    return _build(open_given(recipe, root, spark_conf, conf), until)


def train(
    recipe: RecipeFile, root: WorkspaceName = "workspace", spark_conf: SparkConf = None, conf: Conf = None
) -> int:
    """Build a recipe as far as the trained model."""
    return _build(open_given(recipe, root, spark_conf, conf), "train2")


def evaluate(
    recipe: RecipeFile, root: WorkspaceName = "workspace", spark_conf: SparkConf = None, conf: Conf = None
) -> int:
    """Build a recipe as far as the measured model and the report."""
    return _build(open_given(recipe, root, spark_conf, conf), "report")


def _build(workspace: Workspace, until: str) -> int:
    from jobs.build import build
    from jobs.runtime.terminal import Terminal

    terminal = Terminal()
    try:
        with workspace.hold_lease(f"pairwright build {workspace.recipe.name}"):
            build(workspace, until, terminal)
    except PairwrightError as error:
        terminal.fail(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        terminal.fail("stopped; finished stages are kept, run the same command again to go on")
        return STOPPED
    finally:
        workspace.stop_spark()
    return 0


def stage(
    name: Annotated[
        str,
        typer.Argument(
            metavar="STAGE", help=_STAGES, callback=lambda value: check_choice(value, list(registry.STAGES))
        ),
    ],
    recipe: RecipeFile,
    root: WorkspaceName = "workspace",
    force: Annotated[bool, typer.Option("--force", help="run it even when its output is complete")] = False,
    spark_conf: SparkConf = None,
    conf: Conf = None,
) -> int:
    """Run one stage; its inputs must be complete."""
    from jobs.runtime.runner import finish_stage, run_stage
    from jobs.runtime.stage_line import stage_line
    from jobs.runtime.terminal import Terminal

    terminal, found = Terminal(), registry.load_stage(name)
    workspace = open_given(recipe, root, spark_conf, conf)
    try:
        with workspace.hold_lease(f"pairwright stage {name} {workspace.recipe.name}"):
            manifest = None if force else workspace.manifest(name)
            is_new = manifest is None
            if manifest is not None:
                finish_stage(found, workspace)
            if manifest is None:
                with terminal.stage(name, workspace.logs / "build.log", workspace.count_tasks):
                    manifest = run_stage(found, workspace, terminal.progress)
    finally:
        workspace.stop_spark()
    terminal.line(stage_line(name, manifest, is_new, found.says_none, workspace.reasons_before(found)))
    return 0


def nightly(
    recipe: RecipeFile,
    root: WorkspaceName = "workspace",
    train: Annotated[
        bool, typer.Option("--train", help="also train and measure a model on what was published")
    ] = False,
    spark_conf: SparkConf = None,
    conf: Conf = None,
) -> int:
    """Build, audit and publish what is new in the sources, and say what changed."""
    from jobs.nightly import run_command

    return run_command(open_given(recipe, root, spark_conf, conf), train)


def refresh(
    recipe: RecipeFile,
    model: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="the newer model (default: the one that the recipe's build has trained)"),
    ] = None,
    root: WorkspaceName = "workspace",
    spark_conf: SparkConf = None,
    conf: Conf = None,
) -> int:
    """Mine again with a newer model, and say what moved.

    Ranks, hardness and verdicts are compared with those of the recipe's own build; nothing is published.
    """
    from jobs.refresh import refresh as mine_again
    from jobs.runtime.terminal import Terminal

    workspace = open_given(recipe, root, spark_conf, conf)
    with workspace.hold_lease(f"pairwright refresh {workspace.recipe.name}"):
        mine_again(workspace, model, Terminal())
    return 0


def gc(
    recipes: RecipeFiles,
    root: WorkspaceName = "workspace",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    keep: Annotated[int, typer.Option(metavar="N", help="versions of each recipe that stay; CURRENT stays")] = 7,
    spark_conf: SparkConf = None,
    conf: Conf = None,
) -> int:
    """Remove what no current build and no kept version needs, and say what that frees."""
    from jobs.upkeep.gc import run_gc

    workspaces = [open_given(each, root, spark_conf, conf) for each in recipes]
    try:
        with nullcontext() if dry_run else workspaces[0].hold_lease("pairwright gc"):  # a look disturbs nobody
            if dry_run and workspaces[0].store.mirror:
                workspaces[0].store.mirror.look()
            for line in run_gc(workspaces, keep, dry_run):
                print(line)
    finally:
        workspaces[0].stop_spark()
    return 0


def rollback(
    recipe: RecipeFile,
    root: WorkspaceName = "workspace",
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="which version (default: the one published before)")
    ] = None,
    spark_conf: SparkConf = None,
    conf: Conf = None,
) -> int:
    """Make the version published before current again.

    The versions after it are withdrawn: they stay readable, and nightly leaves CURRENT where it is until the sources
    or the recipe give something else; a build by hand (pairwright build) publishes a withdrawn version again.
    """
    from jobs.release.rollback import roll_back

    workspace = open_given(recipe, root, spark_conf, conf)
    with workspace.hold_lease(f"pairwright rollback {workspace.recipe.name}"):
        before, now = roll_back(dataset_folder(workspace.path, workspace.recipe.name), to, workspace.store.mirror)
    print(f"{workspace.recipe.name}: CURRENT was {before}, is {now}")
    return 0


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="an id of ours or of the source, QUERY:DOC, a path with or without :LINE, a title, a query",
        ),
    ],
    root: WorkspaceName = "workspace",
    recipe_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="which recipe's build to ask (default: the latest)")
    ] = None,
) -> int:
    """Tell the story of one document, query, pair (QUERY:DOC) or synthetic text."""
    from jobs.views.explain import explain

    print(explain(root, what, recipe_name))
    return 0


def report(
    recipe: RecipeFile, root: WorkspaceName = "workspace", spark_conf: SparkConf = None, conf: Conf = None
) -> int:
    """Write the report of a build again."""
    from jobs.views.report import write_report

    workspace = open_given(recipe, root, spark_conf, conf)
    if workspace.store.mirror:
        workspace.store.mirror.look()
    print(write_report(workspace))
    return 0


def doctor(
    java_home: Annotated[bool, typer.Option("--java-home", help="print the JAVA_HOME to give to spark-submit")] = False,
) -> int:
    """Say what this machine has, and the way out where something is missing."""
    if java_home:
        from jobs.spark.java import find_java

        print(find_java().home)
        return 0
    from jobs.upkeep.doctor import run_doctor

    return run_doctor()


def recipe(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="recipe file (YAML)", show_default=False)
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="check it, and the files, models and server that it names")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="print the JSON schema of recipes")] = False,
    stages: Annotated[
        bool, typer.Option("--stages", help="print the stages of a build, in its order, one a line")
    ] = False,
) -> int:
    """Check a recipe or print it with its defaults; print the JSON schema, or the stages."""
    if schema:
        print(json.dumps(Recipe.json_schema(), indent=2))
    elif stages:
        print("\n".join(registry.STAGES))
    elif recipe is None:
        raise typer.BadParameter("recipe needs a file, --schema or --stages")
    elif check:
        from jobs.cli.check import print_check

        return print_check(recipe)
    else:
        print(json.dumps(load_recipe(recipe).to_mapping(), indent=2))
    return 0


def init(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="files, folders or globs", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="the recipe to write (default: NAME.yaml)", show_default=False)
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="name of the dataset (default: that of FILE, else of the first path)", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the recipe if it is there")] = False,
) -> int:
    """Look at files, show their first documents, and write a commented recipe for them."""
    from jobs.cli.init import init_recipe

    return init_recipe(paths, out, name, force=force)
