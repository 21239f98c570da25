"""Rules that tell text from what only looks like it, after Gopher (Rae et al. 2021), C4 and FineWeb.

They count words, and where a script has no spaces each character is one (pipeline.text), so the shares mean the same in
Chinese as in English; rules over the length of words ask spaced words alone. A text under 50 words is too short for
shares to mean anything: only its lines are looked at. Known weakness: tables and lists of names repeat themselves too.
"""

from __future__ import annotations

import re
from collections import Counter

from pipeline.ingest.clean.config import CleanConfig
from pipeline.text import LETTERS, words
from schemas.documents import BOILERPLATE, ODD_WORDS, REPEATED_LINES, REPEATED_NGRAMS, TOO_MANY_SYMBOLS

_FEWEST_WORDS = 50
_SYMBOLS = re.compile(r"#|…|\.\.\.")
_BOILERPLATE = re.compile(
    r"lorem ipsum|\bcookies?\b|enable javascript|javascript (is|must be) |terms (of|and) (use|service|conditions)"
    r"|privacy policy|all rights reserved|subscribe to our|sign (in|up) (to|for)\b|share (this|on) "
    r"|版权所有|隐私政策|使用条款|保留所有权利|プライバシーポリシー|利用規約|無断転載",
    re.IGNORECASE,
)
_LONGEST_BOILERPLATE = 200


def failed_rules(text: str, cfg: CleanConfig) -> list[str]:
    """Return the codes of the rules that a text breaks, in the order of their weight as reasons."""
    found = words(text)
    enough = len(found) >= _FEWEST_WORDS
    spaced = LETTERS.findall(text)
    mean = sum(map(len, spaced)) / len(spaced) if spaced else 0.0
    is_spaced = 2 * len(spaced) > len(found)
    broken = {
        REPEATED_LINES: repeated_lines(text) > cfg.max_repeated_lines,
        REPEATED_NGRAMS: enough and top_ngram(found, 2) > cfg.max_repeated_ngram,
        BOILERPLATE: boilerplate(text) > cfg.max_boilerplate,
        TOO_MANY_SYMBOLS: enough and len(_SYMBOLS.findall(text)) / len(found) > cfg.max_symbols,
        ODD_WORDS: enough and is_spaced and not cfg.min_word_length <= mean <= cfg.max_word_length,
    }
    return [rule for rule, is_broken in broken.items() if is_broken]


def repeated_lines(text: str) -> float:
    """Return the share of characters in lines that stood in the text before."""
    seen: set[str] = set()
    total = again = 0
    for line in filter(None, map(str.strip, text.split("\n"))):
        total += len(line)
        again += len(line) if line in seen else 0
        seen.add(line)
    return again / total if total else 0.0


def top_ngram(found: list[str], size: int) -> float:
    """Return the share of the words' characters that the most frequent n-gram covers, if it comes more than once.

    Ties: broken by the longer n-gram.
    """
    counts = Counter(zip(*[found[start:] for start in range(size)], strict=False))
    total = sum(map(len, found))
    covered = max((count * sum(map(len, gram)) for gram, count in counts.items() if count > 1), default=0)
    return min(1.0, covered / total) if total else 0.0


def boilerplate(text: str) -> float:
    """Return the share of characters in short lines about cookies, rights, terms and the like."""
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    total = sum(map(len, lines))
    found = sum(len(line) for line in lines if len(line) <= _LONGEST_BOILERPLATE and _BOILERPLATE.search(line))
    return found / total if total else 0.0
