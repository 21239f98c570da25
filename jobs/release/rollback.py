"""Going back to a version that was published before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jobs.release.history import current_version, read_history, write_history
from jobs.release.versions import check_version, swap
from jobs.store.layout import VERSION_MANIFEST
from jobs.store.tables import Backing
from schemas.errors import RecipeError


def roll_back(home: Path, to: str | None = None, mirror: Backing | None = None) -> tuple[str, str]:
    """Point ``CURRENT`` at the version published before, or at ``to``; what came after it is withdrawn.

    Every file of that version is read before, of a mirror's after it has come to this machine.

    Out:  the version that was current, and the one that is.
    Raises: RecipeError when there is no such version; ShardError when it is damaged: CURRENT stays where it is then.
    """
    here = current_version(home)
    there = [entry for entry in read_history(home) if (home / entry.version / VERSION_MANIFEST).is_file()]
    names = [entry.version for entry in there]
    if here is None or here not in names:
        raise RecipeError(f"{home} must have a current version, got {here}; try: pairwright build RECIPE")
    earlier = [entry.version for entry in there[: names.index(here)] if not entry.withdrawn]
    if to is None and not earlier:
        raise RecipeError(f"{home} must have a version published before {here}, got none; try --to VERSION")
    target = to or earlier[-1]
    if target not in names:
        raise RecipeError(f"--to must be one of {', '.join(names)}, got {target!r}")
    if mirror is not None:
        mirror.pull_version(home / target)
    check_version(home / target)
    place = names.index(target)
    # The history first: a crash before the swap leaves a rollback to be repeated, not one that a nightly undoes.
    write_history(
        home,
        [replace(entry, withdrawn=at > place or (entry.withdrawn and at < place)) for at, entry in enumerate(there)],
    )
    swap(home, target)
    return here, target
