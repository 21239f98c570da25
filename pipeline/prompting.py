"""Texts to and from a language model, whoever asks: fenced in a prompt, parsed and measured when they come back."""

from __future__ import annotations

import re

from pipeline.text import clean_text, one_line, words
from schemas.pairs import NEGATIVE

BYTES_PER_TOKEN = 3

_ELLIPSIS = "…"


def cut_text(text: str, tokens: int) -> str:
    """Return the text as one line of about that many tokens at most, cut between words, with an ellipsis when cut."""
    line = one_line(clean_text(text))
    budget = tokens * BYTES_PER_TOKEN
    raw = line.encode("utf-8")
    if len(raw) <= budget:
        return line
    head = raw[:budget].decode("utf-8", "ignore")
    space = head.rfind(" ")
    # Scripts without spaces, and endless words, are cut where the budget ends.
    return (head[:space] if space > len(head) // 2 else head).rstrip() + _ELLIPSIS


def fenced(text: str, tokens: int) -> str:
    """Return the text cut and in double quotes, of which it keeps none itself."""
    return '"' + cut_text(text.replace('"', "'"), tokens) + '"'


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
