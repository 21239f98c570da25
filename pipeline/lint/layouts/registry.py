"""The layouts that there are: a new one is a file and a line here. The first that fits the rows reads them."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.lint.layouts.columns import Columns
from pipeline.lint.layouts.layout import Layout, Reading, Values
from pipeline.lint.layouts.lists import Lists
from pipeline.lint.layouts.passages import Passages
from schemas.errors import RecipeError, rule

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (Passages(), Lists(), Columns())}


def find_reading(path: str, rows: Sequence[Values], layout: str | None = None, columns: Sequence[str] = ()) -> Reading:
    """Return how the rows of a file are read; by that layout if one is named.

    Raises: RecipeError that names the columns which are there, when none fits.
    """
    for each in (LAYOUTS[layout],) if layout else LAYOUTS.values():
        reading = each.read(rows, columns)
        if reading is not None:
            return reading
    present = ", ".join(dict.fromkeys(name for row in rows for name in row))
    wanted = f"rows of the layout {layout}" if layout else "rows of a query, positives and negatives"
    raise RecipeError(
        rule(path, wanted, f"columns {present}"[:200], "--columns QUERY,POSITIVE,NEGATIVE,... to name them")
    )
