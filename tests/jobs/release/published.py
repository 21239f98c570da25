"""Versions without files, and how a history names them."""

from pathlib import Path

from jobs.release.history import read_history
from jobs.release.versions import make_current


def publish(home: Path, *versions: str) -> None:
    for version in versions:
        (home / version).mkdir(parents=True, exist_ok=True)
        (home / version / "manifest.json").write_text('{"files": []}')
        make_current(home, version, {"publish": f"of-{version}"})


def names(home: Path) -> list[str]:
    return [entry.version + ("-" if entry.withdrawn else "") for entry in read_history(home)]
