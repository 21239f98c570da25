"""Answers of reviewers: whether a document answers a query; kept by content, so that they outlive versions."""

from __future__ import annotations

from dataclasses import dataclass

YES, NO, UNSURE = "yes", "no", "unsure"
ANSWERS = (YES, NO, UNSURE)

ESTIMATE, CHECK, BROWSED = "estimate", "check", "browsed"
PURPOSES = (ESTIMATE, CHECK, BROWSED)
"""To estimate a rate; to check the reviewer (known positives, surely wrong ones, repeats); met in the ledger."""

PERSON, MODEL = "person", "model"


@dataclass(frozen=True)
class Review:
    """One answer. Of several by one reviewer to one pair the last stands.

    ``query_key`` and ``text_key`` are the SHA-256 of query and document text in UTF-8, as caches use them;
    ``inclusion`` is the probability with which the pair was drawn among all candidates that could have been, 1 for one
    that was not drawn; ``reviewer`` is ``person:NAME`` or ``model:NAME``.
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
        if self.answer not in ANSWERS or self.purpose not in PURPOSES or not 0 < self.inclusion <= 1:
            raise ValueError(
                f"a review must have an answer of {', '.join(ANSWERS)}, a purpose of {', '.join(PURPOSES)} and an "
                f"inclusion in (0, 1], got {self.answer!r}, {self.purpose!r}, {self.inclusion!r}"
            )
