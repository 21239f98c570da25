"""Yesterday's teacher, kept while its lessons have hardly changed: a new one must score every pair anew.

    <workspace>/cache/teachers/<recipe>/<digest of its files>/model/ and lessons.json

One a recipe. Like a reply of the language model, a kept teacher is an input of the build: a build elsewhere gives the
same bytes when it is given the cache. With ``label.refresh`` 0 none is ever kept in use, and no cache matters.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.engines.cross_encoder import Lesson
from jobs.store import digest_of, directory_digest, write_json

TEACHERS = "teachers"


@dataclass(frozen=True)
class TeacherShelf:
    """Where the teacher of a recipe is kept; ``made_of`` is the digest of all but the lessons that decides it."""

    home: Path
    made_of: str

    def find(self, lessons: Sequence[Lesson], refresh: float) -> tuple[Path, float] | None:
        """Return a teacher of whose lessons at most the share ``refresh`` has changed, and that share; or None.

        A teacher whose files are damaged, or that was made otherwise, is as good as none.
        """
        wanted = _keys(lessons)
        for folder in sorted(self.home.glob("[!.]*/")) if refresh else []:
            with suppress(OSError, ValueError, KeyError):
                record = json.loads((folder / "lessons.json").read_text(encoding="utf-8"))
                known = set(record["lessons"])
                changed = round(1 - len(wanted & known) / max(len(wanted), len(known)), 6)
                if (changed <= refresh and record["made_of"] == self.made_of
                        and directory_digest(folder / "model") == folder.name):
                    return folder / "model", changed
        return None

    def keep(self, model: Path, lessons: Sequence[Lesson]) -> None:
        """Put a teacher on the shelf, in place of the last."""
        folder = self.home / directory_digest(model)
        partial = self.home / f".{uuid.uuid4().hex}.partial"
        try:
            shutil.copytree(model, partial / "model")
            write_json(partial / "lessons.json", {"made_of": self.made_of, "lessons": sorted(_keys(lessons))})
            for old in self.home.glob("[!.]*/"):
                shutil.rmtree(old)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _keys(lessons: Sequence[Lesson]) -> set[str]:
    return {digest_of([each.query, each.text, each.label]) for each in lessons}
