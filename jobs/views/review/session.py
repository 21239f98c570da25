"""One reviewer at work: what is asked next, what was answered, and what is known by now.

The session is what the answers on the disk say, and nothing else: whoever comes back goes on where they were, with the
same page, another process, or another machine of the same workspace.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jobs.store.reviews import append_reviews, read_reviews, time_after
from jobs.views.review.pool import Pool, Text
from pipeline.judge.rate import Answers, Rate, in_words, update_rate
from pipeline.review.agreement import (
    Agreement,
    Pair,
    choose_counting,
    compare_with_people,
    is_model,
    measure_checks,
    measure_consistency,
    reviews_of,
)
from pipeline.review.config import ReviewConfig
from pipeline.review.draw import DRAWN, Question, draw_questions
from schemas.mining import KEPT, VETOED
from schemas.reviews import BROWSED, UNSURE, WITHDRAWN, YES, Review, content_key, standing_reviews

POSITIVES_SHOWN = 3
MOST_SHOWN = 100_000  # characters of a text
_AS_WHAT = {"consistency": "before, on pairs asked again", "checks": "known, on pairs whose answer is known"}
_DOUBT = 3.0  # logits that the judge's mean may be off either way, where nothing was measured


@dataclass(frozen=True)
class Shown:
    """A question as it is read: the query, what is known to answer it, and the candidate."""

    number: int
    query: str
    positives: tuple[Text, ...]
    candidate: Text


@dataclass(frozen=True)
class Standing:
    """What is known by now; a rate is None where there is no such pair, or nothing was answered of what was vetoed."""

    answered: int
    asked: int
    delivered: Rate | None
    vetoed: Rate | None
    consistency: Agreement
    checks: Agreement
    with_people: Agreement | None  # of a model


class Session:
    """The questions of one reviewer over one build, and the answers to them."""

    def __init__(self, pool: Pool, cfg: ReviewConfig, seed: int, reviewer: str, pairs: int | None = None) -> None:
        """Draw the questions and read their texts; a question whose text is gone is left out."""
        self.pool, self.cfg, self.reviewer = pool, cfg, reviewer
        self._lock = threading.RLock()
        self._reviews = list(read_reviews(pool.ledger.store))
        drawn = draw_questions(pool.candidates, pool.positives, pairs or cfg.pairs, seed)
        known = pool.positives_of(each.query_id for each in drawn)
        shown = {each.doc_id for each in drawn} | {
            doc for docs in known.values() for doc in docs[: POSITIVES_SHOWN + 1]
        }
        self._texts, self._known = pool.texts(shown), known
        self.questions = [each for each in drawn if each.doc_id in self._texts and each.query_id in pool.queries]
        self.pairs = [self._pair(each) for each in self.questions]
        rows = pool.candidates
        ids = list(zip(rows["query_id"], rows["doc_id"], strict=True))
        self._verdicts: Mapping[Pair, str] = dict(zip(ids, rows["verdict"], strict=True))
        self._chances: Mapping[Pair, float] = dict(zip(ids, rows["fn_probability"].fillna(0.5), strict=True))

    @property
    def reviews(self) -> Sequence[Review]:
        """Every answer that is kept, those of others included."""
        return tuple(self._reviews)

    def open_questions(self) -> list[int]:
        """Return the numbers of the questions without an answer, in the order in which they are asked."""
        done = self._answered()
        asked = enumerate(zip(self.pairs, self.questions, strict=True))
        return [number for number, (pair, each) in asked if (*pair, each.purpose) not in done]

    def current(self) -> int | None:
        """Return the number of the question that is asked next; None when all have an answer."""
        return next(iter(self.open_questions()), None)

    def show(self, number: int) -> Shown:
        """Return a question as it is read; a known positive that is asked about is not shown beside itself."""
        asked = self.questions[number]
        others = [
            self._texts[doc]
            for doc in self._known.get(asked.query_id, ())
            if doc != asked.doc_id and doc in self._texts
        ]
        query = self.pool.queries[asked.query_id]
        return Shown(number, query, tuple(others[:POSITIVES_SHOWN]), self._texts[asked.doc_id])

    def answer(self, number: int, answer: str, why: str = "") -> bool:
        """Keep the answer to a question; return False for one that has an answer, as after a key pressed twice.

        Raises: IndexError for a question that there is not; ValueError for an answer that is none.
        """
        if number < 0:
            raise IndexError(number)
        with self._lock:
            asked, pair = self.questions[number], self.pairs[number]
            if (*pair, asked.purpose) in self._answered():
                return False
            self._keep(pair, answer, asked.purpose, asked.inclusion, why)
            return True

    def has(self, query_id: str, doc_id: str) -> bool:
        """Return whether a pair is in the ledger."""
        return (query_id, doc_id) in self._verdicts

    def browse(self, query_id: str, doc_id: str, answer: str) -> None:
        """Keep the answer to a pair that was met in the ledger. Raises: KeyError for a pair that is not in it."""
        with self._lock:
            if not self.has(query_id, doc_id):
                raise KeyError(f"{query_id}:{doc_id}")
            text = self.pool.texts([doc_id])[doc_id].text
            pair = content_key(self.pool.queries[query_id]), content_key(text)
            self._keep(pair, answer, BROWSED, 1.0, "")

    def undo(self) -> bool:
        """Take back the latest answer of this reviewer to a question of this session; return whether there was one."""
        with self._lock:
            asked = {(*pair, each.purpose) for pair, each in zip(self.pairs, self.questions, strict=True)}
            given = [each for each in self._answered().values() if (*each.pair, each.purpose) in asked]
            if not given:
                return False
            last = max(given, key=lambda each: each.at)
            self._keep(last.pair, WITHDRAWN, last.purpose, last.inclusion, "")
            return True

    def keep_all(self, answers: Sequence[tuple[Pair, str, str, float, str]]) -> int:
        """Keep many answers in one file: (pair, answer, purpose, inclusion, why); return how many were new."""
        with self._lock:
            known = {key: each.answer for key, each in self._answered().items()}
            new = [each for each in answers if known.get((*each[0], each[2])) != each[1]]
            made: list[Review] = []
            for pair, answer, purpose, inclusion, why in new:
                at = time_after(made[-1:] or self._reviews)
                made.append(Review(*pair, answer, self.reviewer, at, purpose, inclusion, why))
            append_reviews(self.pool.ledger.store, made)
            self._reviews += made
            return len(made)

    def standing(self) -> Standing:
        """Return what is known by now."""
        done, reviews = self._answered(), self._reviews
        keys = {(*pair, each.purpose) for pair, each in zip(self.pairs, self.questions, strict=True)}
        expected = {
            pair: each.expected
            for pair, each in zip(self.pairs, self.questions, strict=True)
            if each.expected is not None
        }
        return Standing(
            answered=len(keys & done.keys()),
            asked=len(keys),
            delivered=self._rate(KEPT),
            vetoed=found if (found := self._rate(VETOED)) and found.pairs else None,
            consistency=measure_consistency(reviews, self.reviewer),
            checks=measure_checks(reviews, self.reviewer, expected),
            with_people=compare_with_people(reviews, self.reviewer) if is_model(self.reviewer) else None,
        )

    def tell(self) -> list[str]:
        """Return what is known by now, in lines for a terminal."""
        known = self.standing()
        lines = [f"answered     {known.answered:,} of {known.asked:,} questions"]
        if known.delivered:
            lines.append(f"delivered    negatives that answer their query: {in_words(known.delivered)}")
        if known.vetoed:
            lines.append(f"vetoed       candidates that do: {in_words(known.vetoed)}")
        for name, found in (("consistency", known.consistency), ("checks", known.checks)):
            if found.pairs:
                lines.append(f"{name:<12} {found.same} of {found.pairs} answers as {_AS_WHAT[name]}")
        return lines

    def said_of(self, query_id: str, text: str) -> list[Review]:
        """Return the answers of all reviewers to a pair that stand."""
        pair = content_key(self.pool.queries.get(query_id, "")), content_key(text)
        return [each for each in standing_reviews(self._reviews) if each.pair == pair]

    def _rate(self, verdict: str) -> Rate | None:
        """Return what share of the candidates with a verdict answers its query, by the answers that count."""
        rows = self.pool.candidates
        chance = rows.loc[rows["verdict"] == verdict, "fn_probability"].fillna(0.5).to_numpy(dtype=np.float64)
        if not len(chance):
            return None
        counting = {each.pair: each.answer for each in choose_counting(self._reviews, self.cfg)}
        told = [
            (self._chances[each.query_id, each.doc_id], counting[pair] == YES, each.inclusion)
            for pair, each in zip(self.pairs, self.questions, strict=True)
            if each.kind == DRAWN
            and counting.get(pair, UNSURE) != UNSURE
            and self._verdicts[each.query_id, each.doc_id] == verdict
        ]
        answers = Answers(
            np.array([one for one, _, _ in told]),
            np.array([one for _, one, _ in told], dtype=bool),
            np.array([one for _, _, one in told]),
        )
        return update_rate(guess_rate(chance), chance, answers)

    def _answered(self) -> dict[tuple[str, str, str], Review]:
        """Return the latest answer of this reviewer by pair and purpose, without those that were taken back."""
        latest: dict[tuple[str, str, str], Review] = {}
        for each in sorted(reviews_of(self._reviews, self.reviewer), key=lambda one: one.at):
            latest[(*each.pair, each.purpose)] = each
        return {key: each for key, each in latest.items() if each.answer != WITHDRAWN}

    def _keep(self, pair: Pair, answer: str, purpose: str, inclusion: float, why: str) -> None:
        made = Review(*pair, answer, self.reviewer, time_after(self._reviews), purpose, inclusion, why)
        append_reviews(self.pool.ledger.store, [made])
        self._reviews.append(made)

    def _pair(self, asked: Question) -> Pair:
        return content_key(self.pool.queries[asked.query_id]), content_key(self._texts[asked.doc_id].text)


def guess_rate(chance: npt.NDArray[np.float64]) -> Rate:
    """Return the rate of a set of pairs by the judge's probabilities alone, as wide as they may err."""
    mean = float(np.clip(chance.mean(), 1e-3, 1 - 1e-3))
    centre = math.log(mean / (1 - mean))
    low, high = (1 / (1 + math.exp(-(centre + shift))) for shift in (-_DOUBT, _DOUBT))
    return Rate(round(mean, 4), round(low, 4), round(high, 4))
