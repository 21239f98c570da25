"""Starts the trainer as a process: a box that trains needs no Java, a cluster that builds no training stack."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from schemas.errors import EngineError

_OUT_OF_MEMORY = -9


def run_trainer(arguments: Sequence[str], log: Path, on_record: Callable[[dict[str, Any]], None]) -> str:
    """Run the trainer, hand over each JSON line that it prints, and return what it wrote to stderr.

    Raises: EngineError with the trainer's own last line when it fails.
    """
    with log.open("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(  # our own interpreter and module; no shell
            [sys.executable, "-m", "trainer", *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            for line in process.stdout or ():
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # a library that prints to stdout
                on_record(record)
            status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        errors.seek(0)
        said = errors.read()
    if status == _OUT_OF_MEMORY:
        raise EngineError(
            f"the trainer was killed, most likely for lack of memory; try a smaller mini_batch (log: {log})"
        )
    if status:
        last = next((line for line in reversed(said.splitlines()) if line.strip()), f"exit status {status}")
        raise EngineError(f"{last.removeprefix('error: ')} (log: {log})")
    return said
