"""Pairwright's folder for what it makes once a user: launchers, archives of classes, mirrors of object stores."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path


def user_cache() -> Path:
    """Return the folder, made if need be; a temporary one where the user's home cannot be written."""
    folder = user_cache_path("pairwright")
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.gettempdir()) / f"pairwright-{os.getuid()}"
