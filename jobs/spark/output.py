"""What this process and its children write to the terminal, sent to a log."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def redirect_output(log: Path, *descriptors: int) -> Iterator[None]:
    """Send stdout and stderr, or the file descriptors given, to a file for a while.

    It holds for libraries below Python too. A child that starts meanwhile keeps the file for good: Spark's Java, or
    one started inside this process, writes its warnings there, while Python has its own output back afterwards.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = {number: os.dup(number) for number in descriptors or (1, 2)}
    try:
        with log.open("ab") as handle:
            for number in saved:
                os.dup2(handle.fileno(), number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, kept in saved.items():
            os.dup2(kept, number)
            os.close(kept)
