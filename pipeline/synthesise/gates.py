"""What a text that a model wrote must pass before anything is searched or trained: shape, looping, copying.

The gates look at one text and at what the model was shown; those that need other rows (protected queries, round
trip, duplicates) are in ``replies.py``.
"""

from __future__ import annotations

import re

from pipeline.synthesise.config import SynthesiseConfig
from pipeline.text import clean_text, one_line, words
from schemas.pairs import COPY, NEGATIVE, QUERY, REPETITION, TEXT_TOO_LONG, TEXT_TOO_SHORT, UNPARSABLE

_MARK = re.compile(r"^(?:=>|[-+*•]|\d{1,2}[.)])\s+")
_URL = re.compile(r"\w://")
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "«": "»", "「": "」", "『": "』"}
# A full stop ends a sentence only before a space, so that module.name and 0.5 stay whole.
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？]")
_LOOP = 3


def parse_reply(reply: str, kind: str, finish_reason: str) -> str:
    """Return the text in the raw reply: its first line without marks and quotes; empty when it is no text.

    A query that is an address is no text. A negative that does not end, because the token limit cut it off or because
    the shots that it imitates are cut, loses its last sentence if it has another.
    """
    if finish_reason == "error":
        return ""
    lines = [line for line in clean_text(reply).split("\n") if line.strip()]
    text = _MARK.sub("", one_line(lines[0]) if lines else "")
    if kind == NEGATIVE:
        text = _whole_sentences(text, finish_reason)
    elif _URL.search(text):
        return ""
    text = _unquoted(text)
    return text if words(text) else ""


def _whole_sentences(text: str, finish_reason: str) -> str:
    """Return what stands between the quotes of a negative, up to its last whole sentence."""
    inner, closed, _ = text[1:].partition('"') if text.startswith('"') else (text, "", "")
    inner = inner.strip()
    if inner.endswith("…") or (finish_reason == "length" and not closed):
        inner = inner.rstrip("… ")
        ends = [found.end() for found in _SENTENCE_END.finditer(inner)]
        return inner[: ends[-1]] if ends else inner
    return inner


def _unquoted(text: str) -> str:
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[1:-1].count(text[-1]) == 0:
        return text[1:-1].strip()
    return text


def copied_share(text: str, sources: tuple[str, ...], size: int) -> float:
    """Return the share of the text's word n-grams that stand verbatim in any source; a short text is one n-gram."""
    mine = words(text)
    size = min(size, len(mine))
    if not size:
        return 0.0
    theirs: set[tuple[str, ...]] = set()
    for source in sources:
        theirs.update(_grams(words(source), size))
    grams = _grams(mine, size)
    return sum(gram in theirs for gram in grams) / len(grams)


def repeated_share(text: str) -> float:
    """Return the share of word trigrams that came before in the text; 1.0 when one word stands thrice in a row."""
    mine = words(text)
    if any(len(set(run)) == 1 for run in _grams(mine, _LOOP)):
        return 1.0
    grams = _grams(mine, _LOOP)
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def _grams(mine: list[str], size: int) -> list[tuple[str, ...]]:
    return list(zip(*(mine[i:] for i in range(size)), strict=False))


def gate_text(text: str, kind: str, finish_reason: str, sources: tuple[str, ...], cfg: SynthesiseConfig) -> str | None:
    """Return why the text is not used, or None.

    In: the parsed text; the sources are what it must not repeat: document or pair, and the prompt.
    """
    if not text:
        return UNPARSABLE
    low, high = (
        (cfg.min_query_words, cfg.max_query_words)
        if kind == QUERY
        else (cfg.min_negative_words, cfg.max_negative_words)
    )
    count = len(words(text))
    if count < low:
        return TEXT_TOO_SHORT
    # A query that met the token limit never came to an end.
    if count > high or (kind == QUERY and finish_reason == "length"):
        return TEXT_TOO_LONG
    if repeated_share(text) > cfg.max_repetition:
        return REPETITION
    if copied_share(text, sources, cfg.copy_words) > cfg.max_copy:
        return COPY
    return None
