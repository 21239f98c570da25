"""Answers of reviewers, kept by content under the workspace: only ever added, whatever is built or removed there.

    <workspace>/reviews/<SHA-256 of the file>.jsonl      one answer a line, as ``schemas.reviews.Review`` has it

A file is written whole, under the name of what it holds, and never changed: writers never meet, a crash leaves no half
of one, and one that was damaged is told by its name. So nobody needs the workspace's lease to answer, and an object
store and its mirrors simply hold the union of their files.
Known weakness: an answer given by hand is a file of its own; ten thousand of them are ten thousand small files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.store.files import digest_of, write_atomic
from jobs.store.layout import REVIEW_NAME, reviews_folder
from jobs.store.tables import Store
from schemas.errors import EngineError, ShardError
from schemas.reviews import Review, standing_reviews

_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def read_reviews(store: Store) -> tuple[Review, ...]:
    """Return every answer ever given, in the order of time; :func:`schemas.reviews.standing_reviews` tells which stand.

    Of a workspace elsewhere it is what the mirror holds: bring that up to date before.
    Raises: ShardError that names the file, and the line, that is no answer as it was written.
    """
    folder = reviews_folder(store.workspace)
    found = {review for path in sorted(folder.glob("[!.]*")) for review in _read(path)}
    return tuple(sorted(found, key=lambda each: (each.at, *each.pair, each.reviewer, repr(each))))


def append_reviews(store: Store, reviews: Sequence[Review]) -> None:
    """Keep answers: they are on the disk, and on the other side of a mirror, when this returns.

    Raises: EngineError where either cannot be written; what is on the disk by then is pushed by the next command.
    """
    if not reviews:
        return
    for each in reviews:
        datetime.strptime(each.at, _FORM)  # whoever asks the wall clock in another form orders answers wrongly
    content = "".join(json.dumps(asdict(each), sort_keys=True) + "\n" for each in reviews).encode()
    path = reviews_folder(store.workspace) / f"{hashlib.sha256(content).hexdigest()}.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        raise EngineError(f"{path} cannot be written ({error.strerror}); try freeing space, or as its owner") from error
    if store.mirror:
        store.mirror.push_reviews()


def digest_reviews(reviews: Iterable[Review]) -> str:
    """Return a digest of the answers that stand: what a stage that reads them is built under.

    When they were given, and why, decides nothing: the same answer once more builds nothing anew.
    """
    told = [asdict(each) for each in standing_reviews(reviews)]
    return digest_of([{name: value for name, value in each.items() if name not in ("at", "why")} for each in told])


def time_after(reviews: Iterable[Review]) -> str:
    """Return the time now as an answer has it, later than that of every answer given: clocks may be set back."""
    now = datetime.now(UTC).replace(tzinfo=None)
    latest = max((each.at for each in reviews), default="")
    if latest and now.strftime(_FORM) <= latest:
        now = datetime.strptime(latest, _FORM) + timedelta(microseconds=1)
    return now.strftime(_FORM)


def _read(path: Path) -> list[Review]:
    """Return the answers of one file. Raises: ShardError where it is not as it was written."""
    if not REVIEW_NAME.fullmatch(path.name):
        raise ShardError(
            f"{path.parent} must hold answers under the hash of what they are, got {path.name}; try moving it "
            "elsewhere, and pairwright review RECIPE --import FILE for answers of your own"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ShardError(f"{path} cannot be read ({error.strerror}); try as its owner") from error
    if hashlib.sha256(content).hexdigest() != path.stem:
        raise ShardError(
            f"{path} is damaged: its SHA-256 is not its name; try restoring it from a copy, or deleting it: its "
            "answers are asked for again"
        )
    found = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            found.append(Review(**json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise ShardError(
                f"{path} line {number} must be an answer, got {line[:80]!r} ({error}); try a newer pairwright, or "
                "moving the file elsewhere"
            ) from error
    return found
