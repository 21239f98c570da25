"""Any exception as one clear line of ours, with the traceback in a log."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from schemas import errors
from schemas.errors import EngineError, PairwrightError


def explain_failure(error: Exception, stage: str, logs: Path) -> PairwrightError:
    """Return any exception as one clear line; the traceback goes to the log folder."""
    log, text = _keep_traceback(error, stage, logs), str(error)
    for sign, line in (
        ("No space left on device", "the disk is full; try freeing space or another --workspace"),
        (
            "unmappable characters",
            "Java cannot name files beyond ASCII in this locale; try LANG=C.UTF-8, also for Spark",
        ),
        ("OutOfMemoryError", "Java ran out of memory; try a larger spark.driver.memory in spark-conf"),
    ):
        if sign in text:
            return EngineError(f"stage {stage}: {line} (details: {log})")
    return house_error(text) or EngineError(f"stage {stage} failed: {_last_words(error)} (details: {log})")


@contextmanager
def spare_success(what: str, logs: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Say in one line what goes wrong in the block, which comes after the deed and cannot undo it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, what was published stays published
        log = _keep_traceback(error, what.replace(" ", "-"), logs)
        words = str(error) if isinstance(error, PairwrightError) else f"{_last_words(error)} (details: {log})"
        say(f"all is built, but {what} could not be made: {words}")


def _keep_traceback(error: Exception, name: str, logs: Path) -> Path:
    log = logs / f"{name}.error.log"
    with suppress(OSError):  # the disk may be full
        log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return log


def house_error(text: str) -> PairwrightError | None:
    """Return the pairwright error that a Spark worker raised, found in the text of Spark's exception."""
    found = re.search(
        r"^(?:schemas\.errors\.)?(RecipeError|ContractError|EngineError|ShardError): (.+)$", text, re.MULTILINE
    )
    if found is None:
        return None
    kind: type[PairwrightError] = getattr(errors, found.group(1))
    return kind(found.group(2))


def _last_words(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    python = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception"))]
    return f"{type(error).__name__}: {(python or lines or ['no message'])[-1 if python else 0][:300]}"
