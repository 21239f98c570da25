"""Opening a workspace: a folder of this machine, or the mirror of one that lives elsewhere."""

from __future__ import annotations

from pathlib import Path

from jobs.store.mirror import Mirror
from jobs.store.object_store import Remote, mirror_folder
from jobs.store.tables import Store
from pipeline.locations import is_uri


def open_store(place: str | Path) -> Store:
    """Return the store of a workspace: a path, or the mirror of a URI. Raises: RecipeError, EngineError."""
    name = str(place)
    if not is_uri(name) or name.startswith("file://"):
        return Store(Path(name.removeprefix("file://")).resolve())
    folder = mirror_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    return Store(folder, Mirror(Remote(name), folder))
