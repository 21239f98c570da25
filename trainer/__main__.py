"""``python -m trainer``: train a stage, teach a cross-encoder, evaluate systems, export a dataset.

Progress and results go to standard output as JSON lines, for the process that started this one; errors go to standard
error, one line each, and the exit status is 1 (130 when interrupted).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.errors import EngineError, PairwrightError, RecipeError
from schemas.training import EvaluateConfig, TeachConfig, TrainConfig
from trainer.config import read_config

LAYOUTS = ("sentence-transformers", "flagembedding", "tevatron", "beir")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except PairwrightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {EngineError(f'{error}; try a path with room and rights to write')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        way_on = "; the same command with --resume continues at the last checkpoint" if args.run is _train else ""
        print(f"stopped{way_on}", file=sys.stderr)
        return 130
    return 0


def _train(args: argparse.Namespace) -> None:
    from trainer.loop import Request, train

    config = read_config(args.config, TrainConfig)
    request = Request(args.dataset, args.stage, args.model, config, Path(args.out), resume=args.resume)
    summary = train(request, _print_line)
    _print_line({"done": {name: value for name, value in summary.items() if name != "config"}, "out": args.out})


def _teach(args: argparse.Namespace) -> None:
    from trainer.models.cross_encoder import read_lessons, teach

    config = read_config(args.config, TeachConfig)
    figures = teach(read_lessons(args.lessons), Path(args.model), Path(args.out), config, args.seed, _print_line)
    _print_line({"done": figures, "out": args.out})


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
    )
    result = evaluate(request, _print_line)
    _write_json(Path(args.out), result)
    print(format_table(result), file=sys.stderr)
    _print_line({"done": {"systems": sorted(result["systems"])}, "out": args.out})


def _export(args: argparse.Namespace) -> None:
    from trainer.export.layouts import export_dataset

    counts = export_dataset(args.dataset, args.format, Path(args.out), negatives=args.negatives)
    _print_line({"done": counts, "out": args.out})


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


def _print_line(record: Mapping[str, Any]) -> None:
    print(json.dumps(record), flush=True)


def _write_json(path: Path, result: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".partial")
    draft.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m trainer", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train one stage on a published dataset")
    train.add_argument("--dataset", required=True, help="directory of a dataset version, with manifest.json")
    train.add_argument("--stage", required=True, type=int, choices=(1, 2))
    train.add_argument("--model", required=True, help="directory of the sentence-transformers model to start from")
    train.add_argument("--config", help="JSON file of train settings; without it the defaults")
    train.add_argument("--out", required=True, help="directory of the new model; must not exist")
    train.add_argument("--resume", action="store_true", help="continue at the last checkpoint of the same run")
    train.set_defaults(run=_train)
    teach = commands.add_parser("teach", help="fine-tune a cross-encoder on pairs that say whether a document answers")
    teach.add_argument("--lessons", required=True, help="JSON lines with query, text and label (1 = it answers)")
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
    evaluate.set_defaults(run=_evaluate)
    export = commands.add_parser("export", help="write a dataset in the layout of another trainer")
    export.add_argument("--dataset", required=True)
    export.add_argument("--format", required=True, choices=LAYOUTS)
    export.add_argument("--out", required=True, help="directory to make; must not exist")
    export.add_argument(
        "--negatives",
        type=int,
        help="most negatives a row; for sentence-transformers their exact number (default: the fewest of a row)",
    )
    export.set_defaults(run=_export)
    return parser


if __name__ == "__main__":
    sys.exit(main())
