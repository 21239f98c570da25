"""Settings of the pair stage."""

from __future__ import annotations

from schemas.config import Config, setting
from schemas.errors import rule
from schemas.pairs import (
    LINKS,
    QRELS,
    TITLE,
)

RULES = (TITLE, LINKS, QRELS)


class PairConfig(Config):
    """Where positives come from, and which queries are fit to be one."""

    rules: tuple[str, ...] = setting(RULES, "rules that make positives", choices=RULES)
    min_words: int = setting(2, "words a title or link query must have; judged queries are kept as they are", low=1)
    max_words: int = setting(40, "words a title or link query may have", low=1)
    max_chars: int = setting(512, "characters a title or link query may have", low=8)
    max_docs_per_query: int = setting(3, "documents that one title may stand for; more = query_too_common", low=1)
    max_per_rule: int | None = setting(None, "pairs of one domain and rule, drawn by hash; null = all", low=1)
    protect_similarity: float = setting(
        0.8, "Jaccard similarity of words from which a query is too near a protected one", low=0.1, high=1.0
    )
    pair_similarity: float = setting(
        0.9, "Jaccard similarity of words from which two queries of one document make one pair", low=0.1, high=1.0
    )

    def faults(self) -> list[str]:
        """Require at least one rule."""
        return [] if self.rules else [rule("rules", f"one or more of {', '.join(RULES)}", [])]

    def faults_of_lengths(self) -> list[str]:
        """Require lengths in order."""
        if self.min_words <= self.max_words:
            return []
        return [rule("min_words", f"at most max_words ({self.max_words})", self.min_words)]
