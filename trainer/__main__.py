"""``python -m trainer``: train a stage, teach a cross-encoder, evaluate systems, export a dataset.

Progress and results go to standard output as JSON lines, for the process that started this one; errors go to standard
error, one line each, and the exit status is 1 (130 when interrupted).
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from schemas.errors import EngineError, PairwrightError, RecipeError
from schemas.training import LAYOUTS, ROWS, EvaluateConfig, TeachConfig, TrainConfig
from trainer.config import read_config

_SAID_BY_HELP = "Train a stage, teach a cross-encoder, measure systems on evaluation sets, export a dataset."
_HOME = Path(__file__).resolve().parent


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    given = sys.argv[1:] if argv is None else list(argv)
    args = _parser().parse_args(given or ["--help"])
    try:
        args.run(args)
    except PairwrightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {EngineError(f'{error}; try a path with room and rights to write')}", file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 -- a library's own: what it says, and where, in one line as ours
        print(f"error: {_explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        way_on = "; the same command with --resume continues at the last checkpoint" if args.run is _train else ""
        print(f"stopped{way_on}", file=sys.stderr)
        return 130
    return 0


def _explain(error: Exception) -> str:
    """Return what a library's exception says, and the line of ours that met it."""
    ours = [each for each in traceback.extract_tb(error.__traceback__) if _HOME in Path(each.filename).parents]
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "unknown"
    said = " ".join(str(error).split())[:300]
    return f"{type(error).__name__} at {where}: {said or 'no word'}; try other files, or a smaller batch"


def _train(args: argparse.Namespace) -> None:
    from trainer.loop import Request, train

    config = read_config(args.config, TrainConfig)
    request = Request(
        args.dataset,
        args.stage,
        args.model,
        config,
        Path(args.out),
        resume=args.resume,
        query_prefix=args.query_prefix,
        doc_prefix=args.doc_prefix,
    )
    summary = train(request, _print_line)
    _print_done({name: value for name, value in summary.items() if name != "config"}, args.out)


def _teach(args: argparse.Namespace) -> None:
    from trainer.models.cross_encoder import read_lessons, teach
    from trainer.models.exam import read_exam

    config = read_config(args.config, TeachConfig)
    lessons, exam = read_lessons(args.lessons), read_exam(args.exam) if args.exam else []
    figures = teach(lessons, Path(args.model), Path(args.out), config, args.seed, _print_line, exam)
    _print_done(figures, args.out)


def _evaluate(args: argparse.Namespace) -> None:
    from trainer.evaluate.systems import Request, evaluate
    from trainer.evaluate.table import format_table

    request = Request(
        evals=args.eval,
        models=_named(args.model, "--model"),
        runs=_named(args.run_file, "--run"),
        dimensions={name: _numbers(value) for name, value in _named(args.dimensions, "--dimensions").items()},
        baseline=args.baseline,
        max_length=args.max_length,
        config=read_config(args.config, EvaluateConfig),
        query_prefix=args.query_prefix,
        doc_prefix=args.doc_prefix,
    )
    result = evaluate(request, _print_line)
    _write_json(Path(args.out), result)
    with suppress(OSError):  # the result is written: a closed terminal makes no failure of it
        print(format_table(result), file=sys.stderr, flush=True)
    left_out = {name: counts for name, counts in result["left_out"].items() if any(counts.values())}
    _print_done({"systems": sorted(result["systems"]), "left_out": left_out}, args.out)


def _export(args: argparse.Namespace) -> None:
    from trainer.export.layouts import export_dataset
    from trainer.export.plan import Plan

    plan = Plan(args.format, args.negatives, args.rows, args.pad)
    _print_done(export_dataset(args.dataset, plan, Path(args.out)), args.out)


def _named(pairs: Sequence[str], option: str) -> dict[str, str]:
    named: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value) or name in named:
            raise RecipeError(f"{option} must be NAME=VALUE with a name of its own, got {pair!r}")
        named[name] = value
    return named


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise RecipeError(f"--dimensions must be NAME=384,256,..., got {text!r}") from error


def _print_done(figures: Mapping[str, Any], out: str) -> None:
    """Print the last record; what was asked for is done, whether anyone still listens or not."""
    with suppress(OSError):
        _print_line({"done": figures, "out": out})


def _print_line(record: Mapping[str, Any]) -> None:
    print(json.dumps(record), flush=True)


def _write_json(path: Path, result: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".partial")
    draft.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        """Print it, and end with status 2."""
        self.exit(2, f"error: {message}; try {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("python -m trainer", description=_SAID_BY_HELP)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train one stage on a published dataset")
    train.add_argument("--dataset", required=True, help="directory of a dataset version, with manifest.json")
    train.add_argument("--stage", required=True, type=int, choices=(1, 2))
    train.add_argument("--model", required=True, help="directory of the sentence-transformers model to start from")
    train.add_argument("--config", help="JSON file of train settings; without it the defaults")
    train.add_argument("--out", required=True, help="directory of the new model; must not exist")
    train.add_argument("--resume", action="store_true", help="continue at the last checkpoint of the same run")
    _add_prefixes(train, "what the dataset was mined with, else the model's own prompt")
    train.set_defaults(run=_train)
    teach = commands.add_parser("teach", help="fine-tune a cross-encoder on what answers a query and what does not")
    teach.add_argument("--lessons", required=True, help="JSON lines with query, positive and negatives")
    teach.add_argument(
        "--exam",
        help="JSON lines with query, text, hidden and signals: held-out pairs that end a training which is no use",
    )
    teach.add_argument("--model", required=True, help="directory of the model to start from")
    teach.add_argument("--config", help="JSON file of teach settings; without it the defaults")
    teach.add_argument("--seed", type=int, default=13, help="order of the pairs, dropout (default: 13)")
    teach.add_argument("--out", required=True, help="directory of the new model; must not exist")
    teach.set_defaults(run=_teach)
    evaluate = commands.add_parser("evaluate", help="measure models and runs on BEIR folders")
    evaluate.add_argument("--eval", required=True, help="a BEIR folder, or a folder of BEIR folders")
    evaluate.add_argument("--model", action="append", default=[], metavar="NAME=DIR")
    evaluate.add_argument("--run", action="append", default=[], metavar="NAME=FILE.trec", dest="run_file")
    evaluate.add_argument(
        "--dimensions",
        action="append",
        default=[],
        metavar="NAME=256,128",
        help="also measure this model cut to these dimensions",
    )
    evaluate.add_argument("--baseline", help="system that the others are compared with; default the first")
    evaluate.add_argument("--max-length", type=int, help="tokens of a text that every model reads")
    evaluate.add_argument("--config", help="JSON file of evaluate settings; without it the defaults")
    evaluate.add_argument("--out", required=True, help="JSON file of the result")
    _add_prefixes(evaluate, "each model's own prompt")
    evaluate.set_defaults(run=_evaluate)
    export = commands.add_parser("export", help="write a dataset in the layout of another trainer")
    export.add_argument("--dataset", required=True)
    export.add_argument("--format", required=True, choices=LAYOUTS)
    export.add_argument("--out", required=True, help="directory to make; must not exist")
    export.add_argument(
        "--negatives",
        type=int,
        metavar="N",
        help="most negatives of a row; for sentence-transformers as many columns (default: all, a row for each)",
    )
    export.add_argument(
        "--rows",
        choices=ROWS,
        help="for sentence-transformers: triplets = a row for each negative (default); tuples = a row with N negatives "
        "(default with --negatives; else N is what most rows have); files = a file for each number of negatives",
    )
    export.add_argument(
        "--pad",
        action="store_true",
        help="fill rows up to N negatives with positives of other rows that are not known to answer",
    )
    export.set_defaults(run=_export)
    return parser


def _add_prefixes(command: argparse.ArgumentParser, default: str) -> None:
    for name, text in (("query", "query"), ("doc", "document")):
        command.add_argument(f"--{name}-prefix", metavar="TEXT", help=f"put before every {text} (default: {default})")


if __name__ == "__main__":
    sys.exit(main())
