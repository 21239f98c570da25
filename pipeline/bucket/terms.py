"""Readable names for groups of texts: the terms that are frequent in one group and rare in the others (class TF-IDF).

A term is a word of three letters or more, or two neighbouring characters of a script without spaces. The weight of term
t in group c is (share of c's texts that hold t) * log(1 + A / f), where f is how many texts hold t and A the mean
size of a group: a word of every text weighs next to nothing.
Source: Grootendorst 2022, "BERTopic", section 3.3, with texts that hold a term in place of its occurrences.
Known weakness: terms are no phrases; "machine learning" becomes two of them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from pipeline.text import LETTERS, UNSPACED, cut_marks

_UNSPACED_TERM = re.compile(rf"[{UNSPACED}]{{2,}}")
_LETTERS = 3
_RUN = re.compile(rf"[{UNSPACED}]")
_FEWEST = 2  # texts of a group that hold a term which names it


def terms_of(text: str) -> set[str]:
    """Return the terms of a text, case-folded."""
    found: set[str] = set()
    folded = unicodedata.normalize("NFKC", cut_marks(text)).casefold()
    for term in _UNSPACED_TERM.findall(folded):
        found.update(term[at : at + 2] for at in range(len(term) - 1))
    return found | {term for term in LETTERS.findall(folded) if len(term) >= _LETTERS}


def count_terms(texts: Iterable[str]) -> Counter[str]:
    """Return how many of the texts hold each term."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(terms_of(text))
    return counts


def weigh_terms(counts: Sequence[Counter[str]], sizes: Sequence[int]) -> list[list[str]]:
    """Return the terms of each group, the most telling first.

    In:   for each group how many of its texts hold a term, and how many texts it has.
    Ties: weights are rounded to 9 decimals; equal ones go by the term.
    """
    held: Counter[str] = Counter()
    for group in counts:
        held.update(group)
    mean = sum(sizes) / max(1, len(sizes))

    def weight(term: str, count: int, size: int) -> float:
        return round(count / size * math.log(1 + mean / held[term]), 9)

    return [
        [
            term
            for _, term in sorted(
                (-weight(term, count, size), term) for term, count in group.items() if count >= min(_FEWEST, size)
            )
        ]
        for group, size in zip(counts, sizes, strict=True)
    ]


def name_groups(ranked: Sequence[Sequence[str]], words: int) -> list[str]:
    """Return a name of its own for each group: its first terms that are not forms of one another, joined by dashes.

    A group without terms, or whose name an earlier one has, gets its number behind it.
    """
    names: list[str] = []
    for number, terms in enumerate(ranked, start=1):
        name = "-".join(_distinct(terms, words))
        names.append(name if name and name not in names else f"{name or 'cluster'}-{number}")
    return names


def _distinct(terms: Sequence[str], words: int) -> list[str]:
    chosen: list[str] = []
    for term in terms:
        if len(chosen) == words:
            break
        if not any(_is_form(term, other) for other in chosen):
            chosen.append(term)
    return chosen


def _is_form(term: str, other: str) -> bool:
    """Whether one term begins with the other (array, arrays), or both are pieces of one unspaced word."""
    if _RUN.match(term) and _RUN.match(other):
        return bool(set(term) & set(other))
    return term.startswith(other) or other.startswith(term)
