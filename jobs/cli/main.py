"""The ``pairwright`` command."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from jobs.cli.steps import add_steps
from jobs.engines.quiet import quiet_environment
from jobs.runtime import registry
from jobs.runtime.entry import add_workspace, open_workspace
from jobs.runtime.exit_status import NIGHTLY, STOPPED
from pipeline.recipe import Recipe, load_recipe
from schemas.errors import PairwrightError

_EXAMPLES = """examples:
  pairwright build jobs/recipes/pydocs-demo.yaml                 raw text to dataset, model, scores and report
  pairwright build my.yaml --until publish --workspace /data/pw   the dataset alone
  pairwright stage dedupe my.yaml                                 one stage; its inputs must be built
  pairwright dedupe crawl/ --out deduped                          one step alone, over files of any format
  pairwright explain scipy.linalg.lu_factor                       the story of a document, by symbol or by id
  pairwright recipe my.yaml --check                               every fault of a recipe at once
  pairwright doctor                                               what this machine has and lacks
"""


def _build(args: argparse.Namespace) -> int:
    from jobs.build import build
    from jobs.runtime.terminal import Terminal

    terminal = Terminal()
    workspace = open_workspace(args)
    try:
        with workspace.hold_lease(f"pairwright build {workspace.recipe.name}"):
            build(workspace, args.until, terminal)
    except PairwrightError as error:
        terminal.fail(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        terminal.fail("stopped; finished stages are kept, run the same command again to go on")
        return STOPPED
    finally:
        workspace.stop_spark()
    return 0


def _stage(args: argparse.Namespace) -> int:
    from jobs.runtime.runner import run_stage
    from jobs.runtime.terminal import Terminal, stage_line

    terminal = Terminal()
    stage = registry.load_stage(args.name)
    workspace = open_workspace(args)
    try:
        with workspace.hold_lease(f"pairwright stage {stage.name} {workspace.recipe.name}"):
            manifest = None if args.force else workspace.manifest(stage.name)
            ran = manifest is None
            if manifest is None:
                with terminal.stage(stage.name, workspace.logs / "build.log"):
                    manifest = run_stage(stage, workspace, terminal.progress)
    finally:
        workspace.stop_spark()
    terminal.line(stage_line(stage.name, manifest, ran, stage.says_none))
    return 0


def _nightly(args: argparse.Namespace) -> int:
    from jobs.nightly import command

    return command(args)


def _gc(args: argparse.Namespace) -> int:
    from jobs.upkeep.gc import run_gc

    workspaces = [open_workspace(argparse.Namespace(**{**vars(args), "recipe": recipe})) for recipe in args.recipe]
    try:
        with workspaces[0].hold_lease("pairwright gc"):
            for line in run_gc(workspaces, args):
                print(line)
    finally:
        workspaces[0].stop_spark()
    return 0


def _rollback(args: argparse.Namespace) -> int:
    from jobs.release.rollback import roll_back
    from jobs.store.layout import dataset_folder

    workspace = open_workspace(args)
    with workspace.hold_lease(f"pairwright rollback {workspace.recipe.name}"):
        before, now = roll_back(dataset_folder(workspace.path, workspace.recipe.name), args.to)
    print(f"{workspace.recipe.name}: CURRENT was {before}, is {now}")
    return 0


def _explain(args: argparse.Namespace) -> int:
    from jobs.views.explain import explain

    print(explain(args.workspace, args.id, args.recipe_name))
    return 0


def _report(args: argparse.Namespace) -> int:
    from jobs.views.report import write_report

    workspace = open_workspace(args)
    if workspace.store.mirror:
        workspace.store.mirror.look()
    print(write_report(workspace))
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from jobs.spark.java import find_java
    from jobs.upkeep.doctor import run_doctor

    if args.java_home:
        print(find_java().home)
        return 0
    return run_doctor()


def _recipe(args: argparse.Namespace) -> int:
    if args.schema:
        print(json.dumps(Recipe.json_schema(), indent=2))
        return 0
    if args.stages:
        print("\n".join(registry.STAGES))
        return 0
    recipe = load_recipe(args.recipe)
    print(f"{args.recipe}: recipe {recipe.name} is sound" if args.check else json.dumps(recipe.to_mapping(), indent=2))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="pairwright",
        description="Raw text in, training sets for text-embedding models out, and the trained model measured.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str, example: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    command = add(
        "build",
        _build,
        "build a recipe: every stage that is not complete yet, then the report",
        "pairwright build my.yaml --until publish",
    )
    add_workspace(command)
    command.add_argument(
        "--until",
        default="report",
        metavar="STAGE",
        help=f"stop after this stage: {', '.join(registry.STAGES)}, report",
    )
    for name, until, text in (
        ("train", "train2", "build a recipe as far as the trained model"),
        ("evaluate", "report", "build a recipe as far as the measured model and the report"),
    ):
        command = add(name, _build, text, f"pairwright {name} my.yaml")
        add_workspace(command)
        command.set_defaults(until=until)
    command = add(
        "stage", _stage, "run one stage; its inputs must be complete", "pairwright stage dedupe my.yaml --force"
    )
    command.add_argument("name", choices=registry.STAGES, metavar="STAGE", help=", ".join(registry.STAGES))
    add_workspace(command)
    command.add_argument("--force", action="store_true", help="run it even when its output is complete")
    command = add(
        "nightly",
        _nightly,
        f"build what is new in the sources, audit and publish it, say what changed since the last version; {NIGHTLY}",
        "pairwright nightly my.yaml --workspace /data/pw",
    )
    add_workspace(command)
    command.add_argument("--train", action="store_true", help="also train and measure a model on what was published")
    command = add(
        "gc",
        _gc,
        "remove what no current build and no kept version needs, and say what that frees",
        "pairwright gc my.yaml --dry-run",
    )
    add_workspace(command, "+")
    command.add_argument("--dry-run", action="store_true", help="only say what would go")
    command.add_argument(
        "--keep", type=int, default=7, metavar="N", help="versions of each recipe that stay (default: 7); CURRENT stays"
    )
    command = add(
        "rollback",
        _rollback,
        "make the version published before current again. The versions after it are withdrawn: they stay readable, and "
        "nightly leaves CURRENT where it is until the sources or the recipe give something else; a build by hand "
        "(pairwright build) publishes a withdrawn version again",
        "pairwright rollback my.yaml --to 0a1b2c3d4e5f6071",
    )
    add_workspace(command)
    command.add_argument("--to", metavar="VERSION", help="which version (default: the one published before)")
    command = add(
        "explain",
        _explain,
        "tell the story of one document, query, pair (QUERY:DOC) or synthetic text",
        "pairwright explain 3f1c9a7be2d05a44",
    )
    command.add_argument("id", help="an id, two ids joined by a colon, or a native id such as a symbol")
    command.add_argument("--workspace", default="workspace", help="a path or a URI (default: ./workspace)")
    command.add_argument("--recipe-name", help="which recipe's build to ask (default: the latest)")
    add_steps(add)
    command = add("report", _report, "write the report of a build again", "pairwright report my.yaml")
    add_workspace(command)
    command = add(
        "doctor", _doctor, "say what this machine has, and the way out where something is missing", "pairwright doctor"
    )
    command.add_argument("--java-home", action="store_true", help="print the JAVA_HOME to give to spark-submit")
    command = add(
        "recipe",
        _recipe,
        "check a recipe, print it with its defaults, print the JSON schema of recipes, or the stages of a build",
        "pairwright recipe my.yaml --check",
    )
    command.add_argument("recipe", type=Path, nargs="?", help="recipe file (YAML)")
    command.add_argument("--check", action="store_true", help="check it and say so in one line")
    command.add_argument("--schema", action="store_true", help="print the JSON schema")
    command.add_argument("--stages", action="store_true", help="print the stages of a build, in its order, one a line")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; exit status 0 done, 1 failed, 2 wrong arguments, 4 audit failed, 130 stopped; nightly: 3 too."""
    quiet_environment()  # before any library is imported
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.run is _recipe and args.recipe is None and not (args.schema or args.stages):
        parser.error("recipe needs a file, --schema or --stages")
    try:
        status: int = args.run(args)
    except PairwrightError as error:
        for fault in getattr(error, "faults", [str(error)]):
            sys.stderr.write(f"pairwright: {fault}\n")
        status = error.exit_status
    except KeyboardInterrupt:
        status = STOPPED
    except BrokenPipeError:
        sys.stderr.close()
        status = 0
    sys.exit(status)
