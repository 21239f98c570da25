"""Yesterday's shots, kept as ids and hashes: other shots make every prompt of their domain one that nobody asked yet.

    <workspace>/cache/shots/<recipe>/<digest of the content>.json

One a recipe. Like a reply of the language model, the kept shots are an input of the build: a build elsewhere gives the
same bytes when it is given the cache. With ``synthesise.refresh`` 0 none are ever kept in use, and no cache matters.
An erased document holds no shot, so the next build names it no more. Other shots are another file, not the same one
rewritten: a mirror tells files apart by name and size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.store.files import digest_of, write_json
from jobs.store.layout import SYNCED

KeptShot = tuple[str | int | None, ...]
"""The columns of KEPT_SHOTS."""


@dataclass(frozen=True)
class ShotShelf:
    """Where the shots of a recipe are kept; ``made_of`` is the digest of all but the corpus that decides them."""

    home: Path
    made_of: str

    def find(self) -> list[KeptShot]:
        """Return the shots kept; none where they were chosen otherwise, or their file is damaged."""
        for path in self._files():
            with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
                record = json.loads(path.read_text(encoding="utf-8"))
                if record["made_of"] == self.made_of and digest_of(record) == path.stem:
                    return [tuple(shot) for shot in record["shots"]]
        return []

    def keep(self, shots: Sequence[KeptShot]) -> None:
        """Put shots on the shelf, in place of the last."""
        record = {"made_of": self.made_of, "shots": shots}
        path = self.home / f"{digest_of(record)}.json"
        self.home.mkdir(parents=True, exist_ok=True)
        write_json(path, record)
        for old in self._files():
            if old != path:
                old.unlink()

    def _files(self) -> Iterator[Path]:
        yield from (path for path in sorted(self.home.glob("[!.]*.json")) if path.name != SYNCED)
