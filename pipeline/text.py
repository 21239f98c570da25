"""Text rules that every stage shares: cleaning, what makes a text itself, and coarser forms for comparing.

A text is itself by ``exact_form``: ids, hashes and keys are made from it, so whatever a reader can tell apart stays
apart. ``spelling`` and ``normal_form`` are coarser and serve comparing alone. Words keep their combining marks (the
vowels of Hindi, the points of Hebrew), the signs of C++ and C#, and the minus of a number.
"""

from __future__ import annotations

import re
import unicodedata

# Han, Hiragana, Katakana, Thai, Lao, Khmer and Myanmar are written without spaces: there a character is the word.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
)
_ASTRAL = 0x10000  # from here on code points are rare, and a character class of theirs is slow


def _marks(first: int, last: int) -> str:
    """Return the combining marks among some code points as the inside of a character class."""
    found: list[list[int]] = []
    for code in range(first, last):
        if unicodedata.category(chr(code))[0] != "M":
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in found)


_COMMON_MARKS = _marks(0, _ASTRAL)
_RARE_MARKS = _marks(_ASTRAL, 2 * _ASTRAL) + "\U000e0100-\U000e01ef"
MARK = rf"(?:[{_COMMON_MARKS}]|(?=[\U00010000-\U000fffff])[{_RARE_MARKS}])"
_REST = rf"[^\W_{UNSPACED}]*(?:{MARK}+[^\W_{UNSPACED}]*)*(?:(?<=[A-Za-z])(?:\+\+?|#))?"
WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]{_REST}|(?<![^\W_])-[0-9]{_REST}")
LETTERS = re.compile(rf"[^\W\d_{UNSPACED}]+(?:{MARK}+[^\W\d_{UNSPACED}]*)*")  # words of spaced scripts, no digits
_SPACES = re.compile(r"\s+")
_BREAKS = re.compile("\r\n?|[\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MOST_MARKS = 30
# What follows in a row is sorted by normalisation, at the cost of its square: cut where Unicode's stream-safe form is.
# Two half-width sound marks are letters that become marks. The first pattern is quick and says whether to look closer.
_MAYBE_ENDLESS = re.compile(
    rf"[{_COMMON_MARKS}\uff9e\uff9f\U00010a00-\U0001e95f\U000e0100-\U000e01ef]{{{_MOST_MARKS + 1}}}"
)
_ENDLESS = re.compile(rf"((?:{MARK}|[\uff9e\uff9f]){{{_MOST_MARKS}}})(?:{MARK}|[\uff9e\uff9f])+")
_PILED = re.compile(rf"({MARK}{{2}}){MARK}+")
# No reader sees these: soft hyphens, joiners of words, marks of direction, operators, fillers, annotations, tags.
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff9-\ufffb"
    "\ufffe\uffff\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
# But tags in a row after a black flag are the flag of England, Scotland or Wales.
_HIDDEN_OR_FLAG = re.compile(rf"(\U0001f3f4[\U000e0020-\U000e007e]{{1,8}}\U000e007f)|{_HIDDEN.pattern}")
_BY_NEIGHBOUR = re.compile("[\u180b-\u180d\u180f\u200b-\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_BROKEN = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # scripts in which a zero-width space says where a line may break
# A zero-width space elsewhere; a joiner after what nothing joins, or after a joiner; a selector of nothing's shape.
_UNSEEN = re.compile(
    rf"(?<![{_BROKEN}])\u200b(?![{_BROKEN}])"
    r"|(?:(?<=[\x00-\u058f\u1e00-\u218f\u3000])|\A)[\u200c\u200d]+"
    r"|(?<=[\u200c\u200d])[\u200c\u200d]+"
    r"|(?:(?<=[\x00-\x22\x24-\x29\x2b-\x2f\x3a-\xa8\xaa-\xad\xaf-\u0fff\u10a0-\u200d])|\A)[\ufe00-\ufe0f\U000e0100-\U000e01ef]+"
    r"|(?<=[\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]+"
)
_ENDS = " .,;:!?…。，；：！？｡"


def clean_text(text: str) -> str:
    """Return the text in NFC, without control and invisible characters, lines right-stripped, no two blank in a row."""
    text = _CONTROLS.sub(" ", _BREAKS.sub("\n", text))
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
        text = unicodedata.normalize("NFC", cut_marks(_without_hidden(text)))
    lines = [line.rstrip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def cut_marks(text: str) -> str:
    """Return the text with at most 30 combining marks in a row: to be normalised in time that grows with its length.

    Source: Unicode Standard Annex 15, stream-safe text format, which parts longer runs; no script has them.
    """
    return _ENDLESS.sub(r"\1", text) if not text.isascii() and _MAYBE_ENDLESS.search(text) else text


def count_seen(text: str) -> int:
    """Return how many characters a reader makes out: of marks that are piled on one another two at most."""
    return len(text if text.isascii() else _PILED.sub(r"\1", text))


def _without_hidden(text: str) -> str:
    """Return the text without what no reader sees; joiners and selectors stay where they shape a script or an emoji."""
    if _HIDDEN.search(text):
        text = _HIDDEN_OR_FLAG.sub(lambda found: found[1] or "", text)
    return _UNSEEN.sub("", text) if _BY_NEIGHBOUR.search(text) else text


def exact_form(text: str) -> str:
    """Return what makes a text itself: NFC, without outer white space, each run of inner white space as one space."""
    return one_line(unicodedata.normalize("NFC", cut_marks(text)))


def spelling(text: str) -> str:
    """Return what two queries share that differ only in case, width, spacing and the marks at their ends."""
    exact = exact_form(text)
    return one_line(unicodedata.normalize("NFKC", exact).casefold()).strip(_ENDS) or exact


def words(text: str) -> list[str]:
    """Return the case-folded words; a character each in scripts without spaces."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", cut_marks(text)).casefold()
    return WORD.findall(folded.replace("\u2212", "-"))


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
