"""The scheduled build: what is new in the sources becomes the next version, or nothing changes; the status says which.

    pairwright nightly RECIPE [--train]      or      spark-submit jobs/nightly.py RECIPE --workspace DIR

It ends with one of the statuses of ``jobs/runtime/exit_status.py``, which ``--help`` lists.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jobs.build import build_stages, finish, forget_damaged
from jobs.release.history import current_version, is_withdrawn, read_history
from jobs.release.versions import find_published, point_current
from jobs.runtime.entry import make_parser
from jobs.runtime.exit_status import AUDIT_FAILED, FAILED, NIGHTLY, NOTHING_NEW, PUBLISHED, STOPPED, run_to_status
from jobs.runtime.failures import spare_success
from jobs.runtime.terminal import Terminal
from jobs.runtime.workspace import Workspace, open_workspace
from jobs.store.files import write_json
from jobs.store.layout import dataset_folder
from jobs.views.diff import diff_lines, diff_versions
from schemas.errors import AuditError, PairwrightError
from schemas.names import is_plain_name

DIFF, PENDING = "diff.json", "nightly.json"


def run_nightly(workspace: Workspace, terminal: Terminal, train: bool = False) -> int:
    """Build, audit, publish and say what changed; return the exit status.

    Raises: PairwrightError for a failure that is no failed audit.
    """
    home, pending = dataset_folder(workspace.path, workspace.recipe.name), workspace.logs / PENDING
    before = _baseline(home, pending)
    is_mended = forget_damaged(workspace, terminal)
    try:
        built = build_stages(workspace, "publish", terminal)
    except AuditError as error:
        pending.unlink()
        terminal.fail(f"the audit failed, CURRENT stays at {before}: {error}")
        return AUDIT_FAILED
    version = find_published(workspace).name
    if is_withdrawn(home, version):
        pending.unlink()
        terminal.line(
            f"nothing new: {version} was rolled back, CURRENT stays at {current_version(home)}; "
            "pairwright build publishes it again"
        )
        return NOTHING_NEW
    point_current(workspace)
    if before != version:
        with spare_success("the list of what changed", workspace.logs, terminal.fail):
            _show_diff(workspace, before, version, terminal)
    if train:
        built += build_stages(workspace, "evaluate", terminal)
    if built or before != version:
        finish(workspace, terminal)
    pending.unlink()
    if before != version or is_mended or (train and built):
        return PUBLISHED
    terminal.line(f"nothing new: CURRENT is {version}")
    return NOTHING_NEW


def _baseline(home: Path, pending: Path) -> str | None:
    """Return the version that was current when the last nightly that ended had ended.

    A nightly that is killed after the swap has told nobody of the new version: the next one does.
    """
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # none, or none of ours
        found: str | None = json.loads(pending.read_bytes())["from"]
        if found is None or is_plain_name(found):
            return found
    here = current_version(home)
    write_json(pending, {"from": here})
    return here


def _show_diff(workspace: Workspace, before: str | None, after: str, terminal: Terminal) -> None:
    published = {entry.version: entry for entry in read_history(dataset_folder(workspace.path, workspace.recipe.name))}
    diff = diff_versions(workspace, published.get(before or ""), published[after])
    write_json(workspace.logs / DIFF, diff)
    for line in diff_lines(diff):
        terminal.line(line)


def run_command(workspace: Workspace, train: bool = False) -> int:
    """Hold the workspace's lease, run the nightly build, say every failure in one line, and return the exit status."""
    terminal = Terminal()
    try:
        with workspace.hold_lease(f"pairwright nightly {workspace.recipe.name}"):
            return run_nightly(workspace, terminal, train)
    except PairwrightError as error:
        terminal.fail(str(error))
        return FAILED
    except KeyboardInterrupt:
        terminal.fail("stopped; finished stages are kept, run the same command again to go on")
        return STOPPED
    finally:
        workspace.stop_spark()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the nightly build through spark-submit."""
    parser = make_parser("jobs/nightly.py", "The scheduled build.", NIGHTLY)
    parser.add_argument("--train", action="store_true", help="also train and measure a model on what was published")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def run() -> int:
        return run_command(open_workspace(args.recipe, args.workspace, args.spark_conf, args.conf), args.train)

    sys.exit(run_to_status(run))


if __name__ == "__main__":
    main()
