"""The checks that there are: a new one is a file in ``checks`` and a line here. They run and are told in this order."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator
from typing import cast

from pipeline.lint.context import Lint
from pipeline.lint.findings import Check, Finding, Kind

_MODULES = (
    "empty",
    "duplicates",
    "echoes",
    "known_positives",
    "leaks",
    "shapes",
    "scores",
    "everywhere",
    "false_negatives",
    "easy_negatives",
    "lengths",
    "batches",
)
CHECKS = tuple(cast("Check", importlib.import_module(f"pipeline.lint.checks.{name}")) for name in _MODULES)
KINDS: dict[str, Kind] = {kind.name: kind for check in CHECKS for kind in check.KINDS}


def run_checks(lint: Lint, ignored: Collection[str] = ()) -> Iterator[Finding]:
    """Yield what the checks find, without the kinds that are ignored; a check of ignored kinds alone does not run."""
    for check in CHECKS:
        if not {kind.name for kind in check.KINDS} <= set(ignored):
            yield from (finding for finding in check.find(lint) if finding.kind.name not in ignored)
