"""Which pairs a reviewer is asked about: those that tell most, each drawn with a probability that is known.

Candidates fall into cells by verdict, probability and domain. Most of the draw goes to what was delivered as negatives,
whose rate is the question; within a verdict a band of probabilities gets its share by the spread of the answers to
expect there (Neyman), and a domain by the root of its size, so that small ones are seen too (Bankier). A cell's share
is seldom whole: all are rounded together from one random start, so that the draw has the size that was asked for and
each cell its share on average. In a cell the lowest hashes are taken. So the inclusion is exactly share / pairs of the
cell, and a draw after a rebuild takes the same pairs again wherever their cell stayed as it was.

Among them stand checks on the reviewer: known positives, pairs that are surely wrong, and pairs asked a second time.

Source: Neyman 1934; Bankier 1988, Power allocations; Cox 1987, A constructive procedure for unbiased controlled
rounding.
Known weakness: a query may be met several times, which the interval of an estimate does not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.ids import unit_of
from schemas.mining import DROPPED, DUPLICATE_OF_POSITIVE, KEPT, POSITIVE, RELABELLED, VETOED
from schemas.pairs import QRELS
from schemas.reviews import CHECK, ESTIMATE, NO, YES

MOST_PAIRS = 5000
_SHARES = {KEPT: 0.7, VETOED: 0.15, RELABELLED: 0.05, DROPPED: 0.1}
_EDGES = (0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)  # between the bands of probabilities
_LEAST = 0.02  # variance of an answer that a probability near 0 or 1 is believed to leave: judges err
_KNOWN, _WRONG, _AGAIN = 0.04, 0.04, 0.06  # shares of the questions that check the reviewer
_APART = 5  # questions at least between a pair and its repeat, where there are so many
_DECIMALS = 9

DRAWN, KNOWN_POSITIVE, SURELY_WRONG, REPEAT = "drawn", "known positive", "surely wrong", "repeat"


@dataclass(frozen=True)
class Question:
    """A pair to ask about; ``expected`` is the answer that a check knows, None where nobody does."""

    query_id: str
    doc_id: str
    kind: str = DRAWN
    inclusion: float = 1.0
    expected: str | None = None

    @property
    def purpose(self) -> str:
        """What its answer is for: the estimate, or a check on the reviewer."""
        return ESTIMATE if self.kind == DRAWN else CHECK


def draw_questions(candidates: pd.DataFrame, positives: pd.DataFrame, pairs: int, seed: int) -> list[Question]:
    """Return the questions in the order in which they are asked, ``pairs`` of them where there are so many.

    In:   candidates: query_id, doc_id, verdict, drop_reason, fn_probability, domain, of the whole ledger, its positives
          included; positives: query_id, doc_id, rule, domain, those that may be trained on.
    Drops: known positives and their duplicates are in no estimate; a candidate without a probability counts as .5.
    Ties: by hash of the seed, then by id.
    Cost: a hash a candidate, about 2 microseconds each.
    """
    known, wrong, again = (max(pairs >= 10, round(pairs * share)) for share in (_KNOWN, _WRONG, _AGAIN))
    checks = _draw_known(positives, known, seed) + _draw_wrong(candidates, positives, wrong, seed)
    open_pairs = candidates[
        (candidates["drop_reason"] != POSITIVE) & (candidates["drop_reason"] != DUPLICATE_OF_POSITIVE)
    ]
    drawn = _draw_candidates(open_pairs, pairs - len(checks) - again, seed)
    ordered = sorted(
        [*drawn, *checks], key=lambda each: (unit_of(seed, "asked", each.query_id, each.doc_id), each.kind)
    )
    return _with_repeats(ordered, again)


def _draw_candidates(candidates: pd.DataFrame, count: int, seed: int) -> list[Question]:
    if candidates.empty or count < 1:
        return []
    chance = candidates["fn_probability"].astype("float64").fillna(0.5)
    named = candidates.assign(band=np.searchsorted(np.asarray(_EDGES), chance.to_numpy(), side="right"), chance=chance)
    groups = ["verdict", "band", "domain"]
    cells = named.groupby(groups, sort=True, dropna=False).agg(pairs=("doc_id", "size"), chance=("chance", "mean"))
    shares = _share_out(_weigh(cells), cells["pairs"].to_numpy(dtype=np.float64), count)
    ends = np.round(np.cumsum(shares) + unit_of(seed, "start"), _DECIMALS)
    taken = np.floor(ends) - np.floor(np.concatenate([[unit_of(seed, "start")], ends[:-1]]))
    found: list[Question] = []
    for (_, cell), share, size in zip(named.groupby(groups, sort=True, dropna=False), shares, taken, strict=True):
        if not size:
            continue
        hashed = sorted(
            (unit_of(seed, "review", query, doc), query, doc)
            for query, doc in zip(cell["query_id"], cell["doc_id"], strict=True)
        )
        inclusion = round(min(1.0, float(share) / len(cell)), _DECIMALS)
        found += [Question(query, doc, DRAWN, inclusion) for _, query, doc in hashed[: int(size)]]
    return found


def _weigh(cells: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return what part of the draw each cell is to have: by verdict, then by spread, then by the root of its size."""
    spread = np.sqrt(np.clip(cells["chance"] * (1 - cells["chance"]), _LEAST, None))
    bands = (cells["pairs"] * spread).groupby(level=["verdict", "band"]).transform("sum")
    roots = np.sqrt(cells["pairs"])
    in_band = roots / roots.groupby(level=["verdict", "band"]).transform("sum")
    by_verdict = (bands * in_band).groupby(level="verdict").transform("sum")
    share = np.asarray([_SHARES.get(verdict, 0.1) for verdict in cells.index.get_level_values("verdict")])
    return np.asarray(bands * in_band / by_verdict * share, dtype=np.float64)


def _share_out(weights: npt.NDArray[np.float64], most: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Return parts of ``count`` by weight, none above its ``most``; what a full cell leaves goes to the others."""
    if count >= most.sum():
        return most
    shares = np.zeros(len(weights))
    is_full = np.zeros(len(weights), dtype=bool)
    for _ in range(len(weights) + 1):  # each round fills a cell, or is the last
        left = count - most[is_full].sum()
        shares = np.where(is_full, most, weights / weights[~is_full].sum() * left)
        over = ~is_full & (shares >= most)
        if not over.any():
            break
        is_full |= over
    return np.round(shares, _DECIMALS)


def _draw_known(positives: pd.DataFrame, count: int, seed: int) -> list[Question]:
    """Return known positives, judged ones first: a title or a link is the weaker evidence."""
    rows = sorted(
        (rule != QRELS, unit_of(seed, "known", query, doc), query, doc)
        for query, doc, rule in zip(positives["query_id"], positives["doc_id"], positives["rule"], strict=True)
    )
    found: dict[str, Question] = {}
    for _, _, query, doc in rows:  # one a query
        found.setdefault(query, Question(query, doc, KNOWN_POSITIVE, 1.0, YES))
    return list(found.values())[:count]


def _draw_wrong(candidates: pd.DataFrame, positives: pd.DataFrame, count: int, seed: int) -> list[Question]:
    """Return queries with a positive of another query, of another domain if there is one, that no retriever found."""
    rows = sorted(
        (unit_of(seed, "wrong", query, doc), query, doc, domain)
        for query, doc, domain in zip(positives["query_id"], positives["doc_id"], positives["domain"], strict=True)
    )
    chosen: list[Question] = []
    met: set[str] = set()
    for place, (_, query, _, domain) in enumerate(rows):
        if len(chosen) == count:
            break
        if query in met:
            continue
        met.add(query)
        near = set(candidates.loc[candidates["query_id"] == query, "doc_id"])
        near |= set(positives.loc[positives["query_id"] == query, "doc_id"])
        others = [row for row in rows[place + 1 :] + rows[:place] if row[1] != query and row[2] not in near]
        far = next((row for row in others if row[3] != domain), others[0] if others else None)
        if far is not None:
            chosen.append(Question(query, far[2], SURELY_WRONG, 1.0, NO))
    return chosen


def _with_repeats(ordered: Sequence[Question], count: int) -> list[Question]:
    """Return the questions with some of the first ones asked again near the end."""
    drawn = [place for place, each in enumerate(ordered) if each.kind == DRAWN]
    early = [place for place in drawn if place + _APART <= len(ordered)][: max(count, len(drawn) // 2)]
    step = max(1, len(early) // max(1, count))
    repeats = [replace(ordered[place], kind=REPEAT) for place in early[::step][:count]]
    found = list(ordered)
    for number, each in enumerate(reversed(repeats)):
        found.insert(max(len(ordered) - 2 * number, ordered.index(replace(each, kind=DRAWN)) + _APART), each)
    return found
