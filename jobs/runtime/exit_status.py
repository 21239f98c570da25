"""What the commands end with, for schedulers: the numbers, the words of every help text, each failure in a line."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from schemas.errors import AuditError, PairwrightError

PUBLISHED, FAILED, NOTHING_NEW, STOPPED = 0, PairwrightError.exit_status, 3, 130
AUDIT_FAILED = AuditError.exit_status
NIGHTLY = (
    f"exit status: {PUBLISHED} published (with --train: or a new model measured), {NOTHING_NEW} nothing new, "
    f"{AUDIT_FAILED} the audit failed and CURRENT stays where it was, {FAILED} failed, {STOPPED} stopped"
)


def run_to_status(command: Callable[[], int], passes: tuple[type[Exception], ...] = ()) -> int:
    """Run a command and return its exit status; every failure is a line on stderr, unless its class ``passes``."""
    try:
        return command()
    except passes:
        raise
    except PairwrightError as error:
        for fault in getattr(error, "faults", [str(error)]):
            sys.stderr.write(f"pairwright: {fault}\n")
        return error.exit_status
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:  # who reads has seen enough
        sys.stderr.close()
        return 0
    except Exception as error:  # noqa: BLE001 - nobody who runs a command is shown a traceback
        log = Path(tempfile.gettempdir()) / f"pairwright-{os.getpid()}.error.log"
        with suppress(OSError):
            log.write_text(traceback.format_exc(), encoding="utf-8")
        words = " ".join(str(error).split()) or "no message"
        sys.stderr.write(f"pairwright: {type(error).__name__}: {words} (details: {log})\n")
        return FAILED
