"""What a check of a recipe finds: a fault, or a warning, each with the nearest thing that is there."""

from __future__ import annotations

import difflib
import itertools
import queue
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from schemas.errors import rule

T = TypeVar("T")
SECONDS = 5.0  # that a store or a server may take to answer
_ENTRIES = 2000  # of a folder that are looked at for a name that is near


@dataclass(frozen=True)
class Finding:
    """Something to mend; a warning is what a build may still get over."""

    text: str
    is_warning: bool = False


def find_missing(field: str, path: str) -> Finding:
    """Return the warning that nothing is there, with the nearest name that is; a file there is no folder."""
    at = Path(path)
    if at.exists():
        return Finding(rule(field, "a folder", path))
    while not at.parent.is_dir() and at.parent != at:
        at = at.parent
    entries = at.parent.iterdir() if at.parent.is_dir() else ()
    names = [entry.name for entry in itertools.islice(entries, _ENTRIES)]
    near = difflib.get_close_matches(at.name, names, 1, 0.6)
    must_be = "the path of something that is there"
    if not near and re.search(r"[*?\[]", path):
        some = ", ".join(sorted(name for name in names if not name.startswith("."))[:5])
        return Finding(rule(field, must_be, path) + (f"; {at.parent} has {some}" if some else ""), is_warning=True)
    return Finding(rule(field, must_be, path, meant=str(at.parent / near[0]) if near else None), is_warning=True)


def answer_within(seconds: float, ask: Callable[[], T]) -> T:
    """Return an answer that comes in time; a thread that gets none is left behind.

    Raises: TimeoutError (an OSError), or what the question raises.
    """
    answers: queue.Queue[tuple[T | None, Exception | None]] = queue.Queue()

    def work() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:  # noqa: BLE001 -- handed to the one who asked
            answers.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error:
        raise error
    return cast("T", answer)
