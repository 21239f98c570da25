"""Yesterday's teacher, kept while its lessons have hardly changed: a new one must score every pair anew.

    <workspace>/cache/teachers/<recipe>@<digest of its files>/ its files, and lessons.json

One a recipe. Like a reply of the language model, a kept teacher is an input of the build: a build elsewhere gives the
same bytes when it is given the cache. With ``label.refresh`` 0 none is ever kept in use, and no cache matters. The
folders are as flat as those of the other caches, so that a mirror carries them.
"""

from __future__ import annotations

import glob
import json
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.store.files import digest_of, file_sha256, write_json
from jobs.store.layout import SYNCED
from pipeline.ports import Lesson

_LESSONS = "lessons.json"


@dataclass(frozen=True)
class TeacherShelf:
    """Where the teacher of a recipe is kept; ``made_of`` is the digest of all but the lessons that decides it."""

    home: Path
    recipe: str
    made_of: str

    def find(self, lessons: Sequence[Lesson], refresh: float) -> tuple[Path, float] | None:
        """Return a teacher of whose lessons at most the share ``refresh`` has changed, and that share; or None.

        A teacher whose files are damaged, or that was made otherwise, is as good as none.
        """
        wanted = _keys(lessons)
        for folder in self._folders() if refresh else []:
            with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
                record = json.loads((folder / _LESSONS).read_text(encoding="utf-8"))
                known = set(record["lessons"])
                changed = round(1 - len(wanted & known) / max(len(wanted), len(known)), 6)
                if (
                    changed <= refresh
                    and record["made_of"] == self.made_of
                    and folder.name.endswith(f"@{_digest(folder)}")
                ):
                    return folder, changed
        return None

    def take(self, folder: Path, place: Path) -> None:
        """Copy the model of a teacher that was found."""
        for path in _model_files(folder):
            shutil.copyfile(path, place / path.name)

    def keep(self, model: Path, lessons: Sequence[Lesson]) -> None:
        """Put a teacher on the shelf, in place of the last."""
        folder = self.home / f"{self.recipe}@{_digest(model)}"
        partial = self.home / f".{uuid.uuid4().hex}.partial"
        try:
            shutil.copytree(model, partial)
            write_json(partial / _LESSONS, {"made_of": self.made_of, "lessons": sorted(_keys(lessons))})
            for old in self._folders():
                for path in [*_model_files(old), old / _LESSONS]:  # what both sides had stays noted: a mirror reads it
                    path.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _folders(self) -> list[Path]:
        return sorted(self.home.glob(f"{glob.escape(self.recipe)}@*/"))


def _model_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name not in (_LESSONS, SYNCED))


def _digest(folder: Path) -> str:
    return digest_of([(path.name, file_sha256(path)) for path in _model_files(folder)])


def _keys(lessons: Sequence[Lesson]) -> set[str]:
    return {digest_of([each.query, each.positive, each.negatives]) for each in lessons}
