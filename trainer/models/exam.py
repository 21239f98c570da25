"""The exam: pairs of held-out gold that say, while a teacher learns, whether it can still be worth its time.

A teacher gets a vote when the other signals tell hidden positives from other candidates better with it than without
it. The exam asks the same of a small logistic regression over the signals, out of fold. What gains nothing, and could
not reach the best single signal at the pace at which it learns, is stopped: the rest of the training, and the scoring
of every pair after it, would be spent on a teacher that nobody listens to.
Known weakness: the judge asks the same held-out gold again when it gives the vote, for which a teacher that passed by
luck looks a little better. No weights are chosen by the exam: it only ends trainings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import RecipeError

Array = npt.NDArray[np.float64]

LOSS_GAIN, AUC_GAIN = 0.01, 0.005  # what the judge asks of a teacher for its vote
_FOLDS = 5
_DIGITS = 4
_CHANCE = 0.5


@dataclass(frozen=True)
class Question:
    """A pair of a query and a candidate; ``hidden`` = the candidate answers it. Signals: higher = nearer."""

    query: str
    text: str
    hidden: bool
    signals: Mapping[str, float | None]


def read_exam(path: str | Path) -> list[Question]:
    """Read questions, one JSON object a line. Raises: RecipeError with the line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"--exam must be a readable file of JSON lines, got {str(path)!r} ({error})") from error
    found: list[Question] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            signals = {str(name): None if at is None else float(at) for name, at in record["signals"].items()}
            found.append(Question(str(record["query"]), str(record["text"]), bool(record["hidden"]), signals))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            must_be = "a JSON object with query, text, hidden and signals"
            raise RecipeError(f"{path}:{number} must be {must_be}, got {line[:80]!r}") from error
    return found


class Exam:
    """What is asked, what was answered so far, and whether it is worth going on."""

    def __init__(self, questions: Sequence[Question], due: Sequence[int]) -> None:
        """Hold the questions, and the steps after which they are asked."""
        from sklearn.metrics import roc_auc_score

        self._hidden = np.array([each.hidden for each in questions])
        self._folds = _folds([each.query for each in questions])
        self._signals = _signals(questions)
        areas = {name: round(float(roc_auc_score(self._hidden, at)), _DIGITS) for name, at in self._signals.items()}
        self.best_signal, self.best_auc = max(sorted(areas.items()), key=lambda each: each[1])
        self._without = self._fuse([])
        self._due, self._areas, self._checks = list(due), list[float](), list[dict[str, Any]]()
        self.stopped: str | None = None

    @classmethod
    def of(cls, questions: Sequence[Question], checks: int, steps: int) -> Exam | None:
        """Return the exam of a training of so many steps; None where it could tell nothing, or is not wanted."""
        due = sorted({max(1, round(steps * nth / checks)) for nth in range(1, checks + 1)}) if checks else []
        folds = _folds([each.query for each in questions])
        hidden = np.array([each.hidden for each in questions], dtype=bool)
        mixed = [hidden[folds != fold] for fold in range(_FOLDS)]
        if not due or not _signals(questions) or not all(part.any() and not part.all() for part in mixed):
            return None
        return cls(questions, due)

    def is_due(self, step: int) -> bool:
        """Say whether the teacher is asked after this many steps."""
        return step in self._due

    def take(self, step: int, scores: Array) -> dict[str, Any]:
        """Note the teacher's scores of the questions, (P,); ``stopped`` says why when it is no use to go on.

        Given up is a teacher with which the signals tell no better now, and whose own AUC would not reach that of the
        best signal although each check left gained as much as the better of its last two. The first check ends
        nothing: the rate is still rising there. After the last check the first condition alone counts.
        """
        from sklearn.metrics import roc_auc_score

        area = float(roc_auc_score(self._hidden, scores))
        gains = np.diff([_CHANCE, *self._areas, area])[-2:]
        self._areas.append(area)
        area_with, loss_with = self._fuse([scores])
        left = len(self._due) - len(self._areas)
        reach = area + left * max(float(gains.max()), 0.0)
        helps = area_with >= self._without[0] + AUC_GAIN and loss_with <= self._without[1] * (1 - LOSS_GAIN)
        if not helps and (left == 0 or (reach < self.best_auc and len(self._areas) > 1)):
            self.stopped = (
                f"after {step:,} of {self._due[-1]:,} steps its AUC on held-out gold is {area:.3f}, where "
                f"{self.best_signal} has {self.best_auc:.3f}, and the signals tell no better with it"
            )
        fused = {"fusion_auc": round(area_with, _DIGITS), "fusion_loss": round(loss_with, 5)}
        self._checks.append({"check": step, "auc": round(area, _DIGITS), **fused})
        return self._checks[-1]

    def figures(self) -> dict[str, Any]:
        """Return what was asked and answered, for the manifest."""
        found = {
            "questions": len(self._hidden),
            "hidden": int(self._hidden.sum()),
            "best_signal": {self.best_signal: self.best_auc},
            "without": {"fusion_auc": round(self._without[0], _DIGITS), "fusion_loss": round(self._without[1], 5)},
            "checks": self._checks,
        }
        return {**found, "stopped": self.stopped} if self.stopped else found

    def _fuse(self, more: Sequence[Array]) -> tuple[float, float]:
        """Return AUC and log-loss, out of fold, of a logistic regression over the signals and what else is given."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss, roc_auc_score

        columns = np.column_stack([*self._signals.values(), *more])
        spread = columns.std(axis=0)
        columns = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        chance = np.zeros(len(columns))
        for fold in range(_FOLDS):
            inside = self._folds == fold
            if inside.any():
                model = LogisticRegression(max_iter=500).fit(columns[~inside], self._hidden[~inside])
                chance[inside] = model.predict_proba(columns[inside])[:, 1]
        return float(roc_auc_score(self._hidden, chance)), float(log_loss(self._hidden, chance, labels=[False, True]))


def _folds(queries: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the fold of each question; a query's questions share one."""
    places = {query: place % _FOLDS for place, query in enumerate(sorted(set(queries)))}
    return np.array([places[query] for query in queries], dtype=np.int64)


def _signals(questions: Sequence[Question]) -> dict[str, Array]:
    """Return each signal's values, (P,); what is missing counts as lowest, a signal that is nowhere is left out."""
    found: dict[str, Array] = {}
    for name in sorted({name for each in questions for name in each.signals}):
        given = (each.signals.get(name) for each in questions)
        values = np.array([np.nan if value is None else value for value in given])
        if not np.isnan(values).all():
            found[name] = np.where(np.isnan(values), np.nanmin(values), values)
    return found
