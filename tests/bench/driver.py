"""Measure the corpus half: ``python -m tests.bench.corpus [--only SECTION ...] [--json FILE]``.

A section is a module ``tests/bench/corpus/<section>.py`` with ``measure(work, collections) -> list[Row]``: a scratch
folder of its own, and the folder of public collections or None. Each runs in a process of its own, so that one's
memory, sessions and crashes are not another's.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.bench.rows import Row, print_rows, status_of, write_rows

HOME = Path(__file__).resolve().parent


def find_collections() -> Path | None:
    """Return the folder of public collections: ``PAIRWRIGHT_DATA``, or ``shared/data`` beside the repository."""
    folder = Path(os.environ.get("PAIRWRIGHT_DATA", HOME.parents[2] / "shared" / "data"))
    return folder if folder.is_dir() else None


def sections() -> list[str]:
    """Return the names of the sections that there are."""
    return sorted(path.stem for path in (HOME / "corpus").glob("[!_]*.py"))


def run_section(name: str, options: Mapping[str, Any]) -> list[Row]:
    """Measure one section; one that breaks is a row that misses."""
    work = Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
    try:
        module = importlib.import_module(f"tests.bench.corpus.{name}")
        rows: list[Row] = module.measure(work, find_collections(), **options)
    except Exception as error:  # noqa: BLE001  whatever it is, the other sections are measured
        traceback.print_exc()
        rows = [Row(name, f"broke off: {type(error).__name__}: {str(error)[:200]}", None, "", "no error", False)]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return rows


def _option(text: str) -> tuple[str, str, Any]:
    """Read ``SECTION.NAME=JSON``."""
    name, _, value = text.partition("=")
    section, _, option = name.partition(".")
    try:
        return section, option, json.loads(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be SECTION.NAME=JSON, got {text!r}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sections, print their table, write the JSON; 1 when a row misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.corpus", description="Measure the corpus half.")
    parser.add_argument(
        "--only", nargs="+", choices=sections(), metavar="SECTION", help=f"of: {', '.join(sections())} (default: all)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument(
        "--set",
        type=_option,
        action="append",
        default=[],
        metavar="SECTION.NAME=JSON",
        help="an option of a section, such as scale.sizes=[20000,80000]; repeatable",
    )
    args = parser.parse_args(argv)
    rows: list[Row] = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for name in args.only or sections():
            options = {option: value for section, option, value in args.set if section == name}
            sys.stderr.write(f"{name} ...\n")
            found = pool.submit(run_section, name, options).result()
            print_rows(found)
            rows += found
    if len(args.only or sections()) > 1:
        print()
        print_rows(rows)
    if args.json:
        write_rows(args.json, rows)
    return status_of(rows)
