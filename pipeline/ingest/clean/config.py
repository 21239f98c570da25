"""Settings of cleaning."""

from __future__ import annotations

import re

from schemas.config import Config, setting
from schemas.errors import rule

PII_MODES = OFF, TAG, REDACT = ("off", "tag", "redact")


class CleanConfig(Config):
    """What is repaired, and which texts are dropped with a reason; all of it off unless asked for."""

    repair: bool = setting(False, "repair text that was decoded wrongly (mojibake), by ftfy")
    pii: str = setting(OFF, "e-mail, card, IP and telephone numbers: tag, or redact (<email>)", choices=PII_MODES)
    languages: tuple[str, ...] = setting((), "ISO 639-1 codes kept, the rest is other_language; empty = not identified")
    min_confidence: float = setting(0.5, "a language is believed from this probability on", low=0.0, high=1.0)
    rules: bool = setting(False, "drop by the rules below")
    max_repeated_lines: float = setting(0.3, "share of characters in lines that stood before", low=0.0, high=1.0)
    max_repeated_ngram: float = setting(0.2, "share of characters in the most frequent 2-gram", low=0.0, high=1.0)
    max_symbols: float = setting(0.1, "hashes and ellipses a word", low=0.0)
    min_word_length: float = setting(2.5, "mean letters of a spaced word", low=0.0)
    max_word_length: float = setting(12.0, "mean letters of a spaced word", low=1.0)
    max_boilerplate: float = setting(0.4, "share of characters in lines on cookies, rights, terms", low=0.0, high=1.0)

    def faults(self) -> list[str]:
        """Require languages by their two letters."""
        return [
            rule("languages", "ISO 639-1 codes such as en or zh", code)
            for code in self.languages
            if not re.fullmatch("[a-z]{2}", code)
        ]

    def faults_of_words(self) -> list[str]:
        """Require lengths in order."""
        if self.min_word_length <= self.max_word_length:
            return []
        return [rule("min_word_length", f"at most max_word_length ({self.max_word_length})", self.min_word_length)]

    @property
    def annotates(self) -> bool:
        """Whether anything is asked for."""
        return self.repair or self.rules or bool(self.languages) or self.pii != OFF
