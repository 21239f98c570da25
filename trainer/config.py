"""Settings as the commands take them: a JSON file, read into the classes of ``schemas/training.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from schemas.config import Config
from schemas.errors import RecipeError

C = TypeVar("C", bound=Config)


def read_config(path: str | None, kind: type[C]) -> C:
    """Return the settings of a JSON file, the defaults without one. Raises: RecipeError with every fault."""
    if path is None:
        return kind.from_mapping({})
    try:
        given = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"--config must be a readable JSON file, got {path!r} ({error})") from error
    return kind.from_mapping(given)
