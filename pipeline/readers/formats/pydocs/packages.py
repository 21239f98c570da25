"""The Python files of the packages that are installed beside pairwright, for pydocs: nothing is imported."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.errors import RecipeError

STDLIB = "stdlib"
_OURS = frozenset({"schemas", "pipeline", "jobs", "trainer"})
_NEVER = frozenset({"__pycache__", "site-packages", "dist-packages"})


class PythonFile(NamedTuple):
    """A file of a package: its path from the package's home on, where it is, its size."""

    package: str
    path: str
    location: str
    size: int


def python_files(packages: Sequence[str], exclude: Sequence[str], where: str) -> list[PythonFile]:
    """Return the files of the packages; ``*`` means all that are installed.

    Raises: RecipeError when a package is not installed.
    """
    places = {STDLIB: Path(sysconfig.get_paths()["stdlib"]), **_installed()}
    if "*" in packages:
        chosen = sorted(places)
    else:
        chosen = sorted(set(packages))
        missing = [name for name in chosen if name not in places]
        if missing or not chosen:
            got = ", ".join(missing) or "none"
            raise RecipeError(
                f"{where}.packages must be installed beside pairwright, got {got}; "
                "try the name that is imported, stdlib or *"
            )
    return [
        PythonFile(name, f"{name}/{path}" if name == STDLIB else path, location, size)
        for name in chosen
        for path, location, size in _walk_python(places[name], name, frozenset(exclude))
    ]


def _installed() -> dict[str, Path]:
    """Return the importable top-level names beside pairwright, and where they are."""
    paths = sysconfig.get_paths()
    found: dict[str, Path] = {}
    for home in (Path(paths["platlib"]), Path(paths["purelib"])):
        for entry in home.iterdir() if home.is_dir() else ():
            name = entry.name.removesuffix(".py") if entry.is_file() else entry.name
            is_python = entry.is_dir() or entry.suffix == ".py"
            if is_python and name.isidentifier() and not name.startswith("__") and name not in _OURS:
                found[name] = entry
    return found


def _walk_python(place: Path, name: str, exclude: frozenset[str]) -> Iterator[tuple[str, str, int]]:
    if place.is_file():
        yield place.name, str(place), place.stat().st_size
        return
    base = str(place) if name == STDLIB else str(place.parent)
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(each for each in folders if each not in exclude and each not in _NEVER)
        for file in sorted(files):
            # A test module beside the code is a test all the same, unless tests are wanted.
            is_test = "tests" in exclude and (file.startswith("test_") or file == "conftest.py")
            if file.endswith(".py") and not is_test:
                location = os.path.join(folder, file)  # noqa: PTH118 -- 24,000 times
                yield os.path.relpath(location, base), location, os.stat(location).st_size  # noqa: PTH116
