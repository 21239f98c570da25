"""Small training sets of made-up words, written and looked at as the command does."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.lint.config import LintConfig
from pipeline.lint.context import Lint, Tools
from pipeline.lint.files import find_files
from pipeline.lint.findings import Finding, Found
from pipeline.lint.protected import make_table
from pipeline.lint.registry import run_checks
from pipeline.lint.rows import TrainingSet, read_set

Row = dict[str, Any]


def make_words(count: int = 4000, seed: int = 1) -> list[str]:
    """Return so many made-up words."""
    rng = random.Random(seed)
    return ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 9))) for _ in range(count)]


def make_rows(count: int, seed: int = 2, negatives: int = 4) -> list[Row]:
    """Return sound rows of the layout of FlagEmbedding: a query shares words with its positive."""
    rng, vocabulary = random.Random(seed), make_words()

    def write(words: int) -> str:
        return " ".join(rng.choice(vocabulary) for _ in range(words))

    rows = []
    for _ in range(count):
        positive = write(rng.randint(60, 120))
        asked = rng.sample(positive.split(), 6)
        rows.append({"query": " ".join(asked), "pos": [positive], "neg": [write(80) for _ in range(negatives)]})
    return rows


def write_jsonl(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def look_at(
    path: Path,
    folder: Path,
    protected: Sequence[tuple[str, str, str]] = (),
    cfg: LintConfig | None = None,
    tools: Tools | None = None,
) -> tuple[TrainingSet, dict[str, Finding]]:
    """Return the set of a file and what was found of each kind; ``protected``: id, role, text of an evaluation set."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_set(find_files([str(path)]), folder)
    table = make_table(rows, {"exam": list(protected)})[0] if protected else None
    lint = Lint(rows, cfg or LintConfig(), folder, table, tools)
    return rows, {finding.kind.name: finding for finding in run_checks(lint)}


def places_of(rows: TrainingSet, finding: Finding) -> set[tuple[int, str]]:
    """Return the (row, place) of what was found; a place of "" is the row as a whole."""
    if not isinstance(finding, Found):
        return set()
    pairs = zip(finding.row.tolist(), finding.passage.tolist(), strict=True)
    return {(row, rows.places[rows.place[at]] if at >= 0 else "") for row, at in pairs}
