"""``pairwright refresh RECIPE --model DIR``: mine again with a newer model, and say what that changes.

The stages from the index to the judge are built with the other model, beside the recipe's own build, from which they
take everything else. Nothing is published: whoever likes what it says puts the model into the recipe, and the next
build finds these stages complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame

from jobs.build import build_stages
from jobs.runtime.artefacts import MODEL
from jobs.runtime.terminal import Terminal
from jobs.runtime.workspace import Workspace
from jobs.store.files import directory_digest, write_json
from pipeline.compare.ledgers import compare_ledgers, count_moves, measure_hardness, measure_moves
from pipeline.contract import spark_schema
from schemas.errors import RecipeError
from schemas.mining import VERDICTS

JUDGE, TRAIN = "judge", "train2"
FIGURES = "refresh.json"
_MOVES = 8  # kinds of moves shown on the terminal


def refresh(workspace: Workspace, model: Path | None, terminal: Terminal) -> dict[str, Any]:
    """Build the ledger with another model, compare it with the recipe's own, print and return what moved.

    ``model``: None takes the one that the recipe's own build has trained.
    Raises: RecipeError where the recipe is not built as far as needed, or the model is the one that mined already.
    """
    workspace.require(JUDGE)
    found = model or _trained_model(workspace)
    of_server = dict.fromkeys(("url", "model_name", "api_key_env", "dimensions"))
    encoder = workspace.recipe.encoder.replace(model=str(found.resolve()), **of_server)
    other = Workspace(
        workspace.recipe.replace(encoder=encoder), workspace.store, workspace.conf, workspace.spark_settings
    )
    mined = workspace.recipe.encoder
    if not mined.url and directory_digest(found) == directory_digest(workspace.recipe.model_path(mined.model)):
        raise RecipeError(f"--model must be another model than the one that mined (encoder.model), got {found}")
    try:
        build_stages(other, JUDGE, terminal, is_trial=True)
        figures = {"model": str(found), **_compare(_read(other, workspace), _read(other, other))}
    finally:
        other.stop_spark()
    write_json(workspace.logs / FIGURES, figures)
    for line in refresh_lines(figures):
        terminal.line(line)
    return figures


def _trained_model(workspace: Workspace) -> Path:
    if workspace.manifest(TRAIN) is None:
        raise RecipeError(
            f"--model must name a model where recipe {workspace.recipe.name} has trained none; try --model DIR, or "
            "pairwright train RECIPE"
        )
    return workspace.open_output(TRAIN, MODEL)


def _read(reader: Workspace, of: Workspace) -> DataFrame:
    path = of.open_output(JUDGE, VERDICTS.name)
    return reader.spark().read.schema(spark_schema(VERDICTS)).parquet(str(path))


def _compare(before: DataFrame, after: DataFrame) -> dict[str, Any]:
    """Return the figures of both ledgers; the moves are kept on disk while two counts are made of them."""
    moves = compare_ledgers(before, after).localCheckpoint(eager=True)
    return {
        "candidates": _row(measure_moves(moves)),
        "moves": [row.asDict() for row in count_moves(moves).collect()],
        "before": _row(measure_hardness(before)),
        "after": _row(measure_hardness(after)),
    }


def _row(frame: DataFrame) -> dict[str, Any]:
    row = frame.first()
    return (
        {}
        if row is None
        else {name: round(value, 6) if isinstance(value, float) else value for name, value in row.asDict().items()}
    )


def refresh_lines(figures: Mapping[str, Any]) -> list[str]:
    """Return the block for the terminal."""
    found, sides = figures["candidates"], (figures["before"], figures["after"])
    names = {
        "kept": "negatives kept",
        "queries": "queries with a negative",
        "first": "queries whose positive scores above every candidate",
        "gap": "mean cosine of a negative less that of its positive",
        "above": "negatives that score above the positive",
        "fn": "mean probability of being a false negative",
    }
    moved = f"; the median one moved by {found['moved']:,.0f} ranks" if found["moved"] is not None else ""
    lines = [
        f"refresh     {figures['model']}",
        f"  candidates {found['before']:,} -> {found['after']:,}, {found['both']:,} of both{moved}",
        f"  negatives  {found['kept_both']:,} stay",
        f"  {'':<52} {'before':>10} {'after':>10}",
        *(f"  {text:<52} {_figure(sides[0][name]):>10} {_figure(sides[1][name]):>10}" for name, text in names.items()),
    ]
    changed = [each for each in figures["moves"] if each["was"] != each["is"]]
    lines += [f"  {each['candidates']:>8,}  {each['was']} -> {each['is']}" for each in changed[:_MOVES]]
    if len(changed) > _MOVES:
        rest = sum(each["candidates"] for each in changed[_MOVES:])
        lines.append(f"  {rest:>8,}  in {len(changed) - _MOVES} other ways")
    return [*lines, f"  to build with it: encoder: {{model: {figures['model']}}}"]


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
