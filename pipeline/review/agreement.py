"""How far a reviewer is to be believed: agreement with oneself, with what is known, and with people; who counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.review.config import ReviewConfig
from schemas.reviews import ANSWERS, CHECK, ESTIMATE, MODEL, UNSURE, WITHDRAWN, Review, standing_reviews

Pair = tuple[str, str]


@dataclass(frozen=True)
class Agreement:
    """Over how many pairs two series of answers were held against each other, and how far they agree."""

    pairs: int = 0
    same: int = 0
    kappa: float | None = None

    @property
    def share(self) -> float | None:
        """The share of equal answers; None where there was nothing to compare."""
        return round(self.same / self.pairs, 4) if self.pairs else None


def compare_answers(answers: Sequence[tuple[str, str]]) -> Agreement:
    """Return the agreement of pairs of answers.

    Source: Cohen 1960, A coefficient of agreement for nominal scales. Unsure is an answer of its own. Kappa is None
    where both gave one and the same answer throughout: then agreement is no evidence.
    """
    if not answers:
        return Agreement()
    count, same = len(answers), sum(left == right for left, right in answers)
    by_chance = sum(
        sum(left == each for left, _ in answers) * sum(right == each for _, right in answers) for each in ANSWERS
    ) / (count * count)
    kappa = None if by_chance == 1 else round((same / count - by_chance) / (1 - by_chance), 4)
    return Agreement(count, same, kappa)


def measure_consistency(reviews: Iterable[Review], reviewer: str) -> Agreement:
    """Return how far a reviewer answers the same when a drawn pair is asked again."""
    by_purpose = {
        purpose: {
            each.pair: each.answer
            for each in standing_reviews(one for one in reviews_of(reviews, reviewer) if one.purpose == purpose)
        }
        for purpose in (ESTIMATE, CHECK)
    }
    both = by_purpose[ESTIMATE].keys() & by_purpose[CHECK].keys()
    return compare_answers([(by_purpose[ESTIMATE][pair], by_purpose[CHECK][pair]) for pair in sorted(both)])


def measure_checks(reviews: Iterable[Review], reviewer: str, expected: Mapping[Pair, str]) -> Agreement:
    """Return how far a reviewer answers as is known, on known positives and surely wrong pairs."""
    standing = standing_reviews(reviews_of(reviews, reviewer))
    return compare_answers([(expected[each.pair], each.answer) for each in standing if each.pair in expected])


def compare_with_people(reviews: Iterable[Review], reviewer: str) -> Agreement:
    """Return how far a model answers as people do, over the pairs that both answered; unsure answers are left out."""
    standing = standing_reviews(reviews)
    people = settle_people(standing)
    both = [
        (people[each.pair].answer, each.answer)
        for each in standing
        if each.reviewer == reviewer and each.pair in people
    ]
    return compare_answers([answers for answers in both if UNSURE not in answers])


def choose_counting(reviews: Iterable[Review], cfg: ReviewConfig) -> tuple[Review, ...]:
    """Return the answers that count as evidence, at most one a pair: a person's before a model's, later before earlier.

    A model's count only where its agreement with people was measured on ``min_common`` pairs, and Cohen's kappa is at
    least ``min_kappa``: until then they decide nothing.
    In order of pair, whatever the order given.
    """
    given = tuple(reviews)
    standing = standing_reviews(given)
    found: dict[Pair, Review] = settle_people(standing)
    for reviewer in sorted({each.reviewer for each in standing if is_model(each.reviewer)}):
        if not is_believed(compare_with_people(standing, reviewer), cfg):
            continue
        for each in standing:
            if each.reviewer == reviewer:
                found.setdefault(each.pair, each)
    return tuple(found[pair] for pair in sorted(found))


def is_believed(agreement: Agreement, cfg: ReviewConfig) -> bool:
    """Return whether a model's answers count as evidence."""
    return agreement.pairs >= cfg.min_common and agreement.kappa is not None and agreement.kappa >= cfg.min_kappa


def settle_people(standing: Iterable[Review]) -> dict[Pair, Review]:
    """Return one answer of people a pair: the latest; ties by reviewer. A pair that any of them drew stays drawn."""
    found: dict[Pair, Review] = {}
    for each in sorted(
        (each for each in standing if not is_model(each.reviewer)), key=lambda one: (one.at, one.reviewer)
    ):
        before = found.get(each.pair)
        stays = before is not None and before.purpose == ESTIMATE != each.purpose
        found[each.pair] = (
            replace(each, purpose=ESTIMATE, inclusion=before.inclusion) if before is not None and stays else each
        )
    return found


def reviews_of(reviews: Iterable[Review], reviewer: str) -> list[Review]:
    """Return the answers of one reviewer, those that were taken back included."""
    return [each for each in reviews if each.reviewer == reviewer]


def is_model(reviewer: str) -> bool:
    """Return whether a reviewer is a model."""
    return reviewer.startswith(f"{MODEL}:")


def count_answers(reviews: Iterable[Review]) -> dict[str, int]:
    """Return how many of the answers are yes, no and unsure."""
    given = [each.answer for each in reviews if each.answer != WITHDRAWN]
    return {answer: given.count(answer) for answer in ANSWERS}
