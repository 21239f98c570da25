"""Measure the negatives: ``python -m tests.bench.negatives [--only SECTION ...] [--json FILE] [--cache FOLDER]``.

A section is a module of SECTIONS with ``measure(work, collections, cache) -> list[Row]``: a scratch folder, the folder
of public collections or None, and a folder in which vectors and hits are kept between runs.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.driver import find_collections
from tests.bench.rows import Row, print_rows, status_of, write_rows

SECTIONS = ("blind", "half")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sections, print their table, write the JSON; 1 when a row misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.negatives", description="Measure the negatives.")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=f"of: {', '.join(SECTIONS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--cache", type=Path, default=Path("runs/bench-negatives"), help="for vectors and hits")
    args = parser.parse_args(argv)
    rows: list[Row] = []
    for name in args.only or SECTIONS:
        sys.stderr.write(f"{name} ...\n")
        module = importlib.import_module(f"tests.bench.negatives.{name}")
        with tempfile.TemporaryDirectory() as work:
            rows += module.measure(Path(work), find_collections(), args.cache)
    print_rows(rows)
    if args.json:
        write_rows(args.json, rows)
    return status_of(rows)


if __name__ == "__main__":
    sys.exit(main())
