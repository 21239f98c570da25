"""Answers of reviewers: whether a document answers a query; kept by content, so that they outlive versions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

YES, NO, UNSURE = "yes", "no", "unsure"
ANSWERS = (YES, NO, UNSURE)
WITHDRAWN = "withdrawn"
"""Kept in the place of an answer that was taken back; among those that stand there is none."""

ESTIMATE, CHECK, BROWSED = "estimate", "check", "browsed"
PURPOSES = (ESTIMATE, CHECK, BROWSED)
"""To estimate a rate; to check the reviewer (known positives, surely wrong ones, repeats); met in the ledger."""

PERSON, MODEL = "person", "model"


@dataclass(frozen=True)
class Review:
    """One answer. Of several by one reviewer to one pair the last stands.

    ``query_key`` and ``text_key`` are the SHA-256 of query and document text in UTF-8, as caches use them;
    ``inclusion`` is the probability with which the pair was drawn among all candidates that could have been, 1 for one
    that was not drawn; ``reviewer`` is ``person:NAME`` or ``model:NAME``; ``at`` is UTC in ISO 8601, so that texts of
    it sort in the order of time.
    """

    query_key: str
    text_key: str
    answer: str
    reviewer: str
    at: str
    purpose: str = ESTIMATE
    inclusion: float = 1.0
    why: str = ""

    def __post_init__(self) -> None:
        """Refuse an answer or a purpose that nobody knows, and a probability that is none."""
        known = (*ANSWERS, WITHDRAWN)
        if self.answer not in known or self.purpose not in PURPOSES or not 0 < self.inclusion <= 1:
            raise ValueError(
                f"a review must have an answer of {', '.join(known)}, a purpose of {', '.join(PURPOSES)} and an "
                f"inclusion in (0, 1], got {self.answer!r}, {self.purpose!r}, {self.inclusion!r}"
            )

    @property
    def pair(self) -> tuple[str, str]:
        """The keys of query and document."""
        return self.query_key, self.text_key


def content_key(text: str) -> str:
    """Return what a text is kept under: its SHA-256 in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def standing_reviews(reviews: Iterable[Review]) -> tuple[Review, ...]:
    """Return the answers that stand: of several by one reviewer to one pair the last.

    An answer is taken back for the purpose that it was given for: one for another purpose stands on. A pair that was
    drawn for an estimate keeps that purpose and the inclusion of its last draw: asked again as a check, or met in the
    ledger, it does not leave the sample.
    In order of pair and reviewer, whatever the order given.
    """
    given: dict[tuple[str, str, str, str], Review] = {}
    for each in sorted(reviews, key=_order):
        given[(*each.pair, each.reviewer, each.purpose)] = each
    found: dict[tuple[str, str, str], Review] = {}
    for each in sorted((each for each in given.values() if each.answer != WITHDRAWN), key=_order):
        drawn = given.get((*each.pair, each.reviewer, ESTIMATE))
        is_drawn = drawn is not None and drawn.answer != WITHDRAWN
        found[(*each.pair, each.reviewer)] = (
            replace(each, purpose=ESTIMATE, inclusion=drawn.inclusion) if drawn and is_drawn else each
        )
    return tuple(found[key] for key in sorted(found))


def _order(each: Review) -> tuple[str, str, str, str, str, float, str, str]:
    return each.at, *each.pair, each.reviewer, each.purpose, each.inclusion, each.answer, each.why
