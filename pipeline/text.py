"""Text rules that every stage shares: normalisation, words and shingles, for spaced and unspaced scripts."""

from __future__ import annotations

import re
import unicodedata

# Han, Hiragana, Katakana, Thai, Lao, Khmer and Myanmar are written without spaces: there a character is the word.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
)
WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+", re.UNICODE)
_SPACES = re.compile(r"\s+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def clean_text(text: str) -> str:
    """Return the text in NFC without control characters, lines right-stripped, at most one blank line in a row."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode("utf-8")
    lines = [line.rstrip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def words(text: str) -> list[str]:
    """Return the case-folded words; a character each in scripts without spaces."""
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def normal_form(text: str) -> str:
    """Return what two texts share when only case, spacing, punctuation or compatibility forms differ."""
    return " ".join(words(text))


def one_line(text: str) -> str:
    """Return the text with every run of white space as one space."""
    return _SPACES.sub(" ", text).strip()


def shingles(text: str, size: int) -> set[str]:
    """Return the set of word n-grams of the text; a shorter text is one shingle of all its words."""
    found = words(text)
    if len(found) <= size:
        return {" ".join(found)} if found else set()
    return {" ".join(found[i : i + size]) for i in range(len(found) - size + 1)}
