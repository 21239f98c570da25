"""The errors a caller can act on: the class says what to do, the text says what, where and the way out."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 120


class PairwrightError(Exception):
    """Any failure that pairwright explains in one line; the command line prints it without a traceback."""

    exit_status = 1


class RecipeError(PairwrightError):
    """The recipe, or a path or model it names, is wrong: fix the recipe."""

    def __init__(self, faults: str | Sequence[str]) -> None:
        """Take one fault or every fault found; all of them are shown at once."""
        self.faults = [faults] if isinstance(faults, str) else list(faults)
        super().__init__("; ".join(self.faults))


class ContractError(PairwrightError):
    """A table broke its schema: the stage that wrote it is at fault."""


class AuditError(ContractError):
    """A finished dataset is not what was expected of it: look at what was named; nothing was published."""

    exit_status = 4


class EngineError(PairwrightError):
    """An engine (Java, Lucene, faiss, a model, a server) failed: check the engine, then run again."""


class ShardError(PairwrightError):
    """A stored table or dataset is damaged or incomplete: rebuild it or fetch it again."""


def rule(field: str, must_be: str, got: object, try_: str = "", meant: str | None = None) -> str:
    """Return one fault in the house form: ``<field> must be <rule>, got <value>; try <way out>``.

    ``meant`` is the word that a slip of the pen was meant to be: it is asked for in place of the way out.
    """
    text = f"{field} must be {must_be}, got {show(got)}"
    if meant:
        return f"{text}; did you mean {meant}?"
    return f"{text}; try {try_}" if try_ else text


def show(value: object) -> str:
    """Return how a value stands in a message: as Python writes it, but no longer than a line."""
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 15]}...{text[-10:]}"
