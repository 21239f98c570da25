"""Faults planted in a sound training set, each at a place that is known: what lint has to find, and nothing else.

Every kind has rows of its own, so that no fault hides another one. What a planted fault brings with it (a near copy of
a row spells its query in a second way) is named in ``implied`` and counts as neither found nor wrong.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.corpora import edit_words

Row = dict[str, Any]
ROW = ""
EDITED = 1 / 30  # of the words of a near copy


@dataclass
class Planted:
    """Rows of the layout of FlagEmbedding, and by kind the (row, place) of each fault; a place of "" is the row."""

    rows: list[Row]
    faults: dict[str, set[tuple[int, str]]] = field(default_factory=dict)
    implied: dict[str, set[tuple[int, str]]] = field(default_factory=dict)

    def say(self, kind: str, row: int, place: str = ROW) -> None:
        """Note a fault."""
        self.faults.setdefault(kind, set()).add((row, place))

    def imply(self, kind: str, row: int, place: str = ROW) -> None:
        """Note what a fault brings with it."""
        self.implied.setdefault(kind, set()).add((row, place))


def plant_faults(
    sound: Sequence[Row], vocabulary: Sequence[str], protected: Sequence[tuple[str, str]], each: int, seed: int = 5
) -> Planted:
    """Plant so many faults of each kind; ``protected`` are queries and documents of an evaluation set."""
    rng = random.Random(seed)
    made = Planted([copy.deepcopy(row) for row in sound])
    free = list(range(len(made.rows)))
    rng.shuffle(free)
    for name, plant in _PLANTERS.items():
        for number in range(each):
            plant(made, free.pop(), number, rng, vocabulary)
        assert len(made.faults[name]) >= each, name
    for number, (query, document) in enumerate(protected[:each]):
        row = free.pop()
        if number % 2:
            made.rows[row]["query"] = query.upper()
            made.say("leak", row)
        else:
            made.rows[row]["pos"] = [edit_words(document, EDITED, rng, vocabulary)]
            made.say("leak", row, "pos[0]")
    everywhere = " ".join(rng.choice(vocabulary) for _ in range(60))
    for _ in range(max(len(made.rows) // 20, 30)):
        row = free.pop()
        made.rows[row]["neg"][0] = everywhere
        made.say("negative_everywhere", row, "neg[0]")
    for values in made.rows:  # of the scores of most rows the scale is told
        values.setdefault("pos_scores", [0.9] * len(values["pos"]))
        values.setdefault("neg_scores", [0.1] * len(values["neg"]))
    return made


def _empty(made: Planted, row: int, number: int, *_: Any) -> None:
    values = made.rows[row]
    if number % 3 == 0:
        values["query"] = "  "
        made.say("empty_text", row)
    else:
        name = ("pos", "neg")[number % 2]
        values[name][0] = ("", "...", "nan")[number % 3]
        made.say("empty_text", row, f"{name}[0]")


def _copy(made: Planted, row: int, *_: Any) -> None:
    made.say("duplicate_row", len(made.rows))
    made.rows.append(copy.deepcopy(made.rows[row]))


def _near_copy(made: Planted, row: int, number: int, rng: random.Random, vocabulary: Sequence[str]) -> None:
    values = copy.deepcopy(made.rows[row])
    values["query"] = values["query"].upper() if number % 2 else f"{values['query'].rstrip('?. ')} ?!"
    values["pos"] = [edit_words(values["pos"][0], EDITED, rng, vocabulary)]
    made.say("near_duplicate_row", len(made.rows))
    made.imply("near_duplicate_query", len(made.rows))
    made.imply("near_duplicate_query", row)
    made.rows.append(values)


def _repeat(made: Planted, row: int, number: int, rng: random.Random, vocabulary: Sequence[str]) -> None:
    negatives = made.rows[row]["neg"]
    negatives[1] = negatives[0] if number % 2 else edit_words(negatives[0], EDITED, rng, vocabulary)
    made.say("repeated_negative", row, "neg[1]")


def _as_positive(made: Planted, row: int, *_: Any) -> None:
    made.rows[row]["pos"] = [made.rows[row]["query"].upper()]
    made.say("query_as_positive", row, "pos[0]")


def _in_positive(made: Planted, row: int, *_: Any) -> None:
    values = made.rows[row]
    values["query"] += " in this very long query"
    values["pos"] = [f"{values['pos'][0]} {values['query']}"]
    made.say("query_in_positive", row, "pos[0]")


def _as_negative(made: Planted, row: int, *_: Any) -> None:
    made.rows[row]["neg"][2] = f"{made.rows[row]['query']}!"
    made.say("query_as_negative", row, "neg[2]")


def _known(made: Planted, row: int, number: int, rng: random.Random, vocabulary: Sequence[str]) -> None:
    values = made.rows[row]
    if number % 2:  # in another row of the same query
        other = copy.deepcopy(values)
        fresh = [" ".join(rng.choice(vocabulary) for _ in range(60)) for _ in values["neg"][1:]]
        other["pos"], other["neg"] = [values["neg"][3]], [values["neg"][2], *fresh]
        made.rows.append(other)
        made.say("positive_as_negative", row, "neg[3]")
        made.say("positive_as_negative", len(made.rows) - 1, "neg[0]")
        made.rows[row]["pos"].append(values["neg"][2])
        made.say("positive_as_negative", row, "neg[2]")
    else:
        values["neg"][1] = values["pos"][0].upper()
        made.say("positive_as_negative", row, "neg[1]")


def _near_known(made: Planted, row: int, number: int, rng: random.Random, vocabulary: Sequence[str]) -> None:
    values = made.rows[row]
    positive = values["pos"][0]
    more = " ".join(rng.choice(vocabulary) for _ in range(8))
    values["neg"][1] = f"{positive} {more}" if number % 2 else edit_words(positive, EDITED, rng, vocabulary)
    made.say("near_positive", row, "neg[1]")


def _no_positive(made: Planted, row: int, *_: Any) -> None:
    made.rows[row]["pos"] = []
    made.say("no_positive", row)


def _no_negatives(made: Planted, row: int, *_: Any) -> None:
    made.rows[row]["neg"] = []
    made.say("no_negatives", row)


def _uneven(made: Planted, row: int, *_: Any) -> None:
    made.rows[row]["neg"] = made.rows[row]["neg"][:-1]
    made.say("uneven_negatives", row)


def _broken_score(made: Planted, row: int, number: int, *_: Any) -> None:
    values = made.rows[row]
    values["pos_scores"] = [0.9]
    values["neg_scores"] = ["high"] * len(values["neg"]) if number % 2 else [0.1]
    made.say("broken_score", row)


def _off_scale(made: Planted, row: int, *_: Any) -> None:
    values = made.rows[row]
    values["pos_scores"], values["neg_scores"] = [93.0], [0.1] * len(values["neg"])
    made.say("score_off_scale", row, "pos[0]")


def _scores_higher(made: Planted, row: int, *_: Any) -> None:
    values = made.rows[row]
    values["pos_scores"], values["neg_scores"] = [0.7], [0.1, 0.8, *[0.1] * (len(values["neg"]) - 2)]
    made.say("negative_scores_higher", row, "neg[1]")


_PLANTERS: dict[str, Callable[..., None]] = {
    "empty_text": _empty,
    "duplicate_row": _copy,
    "near_duplicate_row": _near_copy,
    "repeated_negative": _repeat,
    "query_as_positive": _as_positive,
    "query_in_positive": _in_positive,
    "query_as_negative": _as_negative,
    "positive_as_negative": _known,
    "near_positive": _near_known,
    "no_positive": _no_positive,
    "no_negatives": _no_negatives,
    "uneven_negatives": _uneven,
    "broken_score": _broken_score,
    "score_off_scale": _off_scale,
    "negative_scores_higher": _scores_higher,
}
