"""What a stranger's files look like: encoding, delimiter, header, and which column is text, title, id and domain.

Names go before contents: a column called ``Body`` or ``Antwort`` is the text unless another one is three times as long.
Without such a name the longest texts are the text, short ones that hardly repeat the title, short unique ones the id.
Known weakness: guesses from the first rows; whoever reads the recipe decides.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from pipeline.readers.config import FIELDS
from pipeline.readers.formats.csv_tsv import DELIMITERS
from schemas.errors import RecipeError
from schemas.nearest import find_synonym

ROWS = 200
_ENCODINGS = ("cp1252", "cp1251", "shift_jis", "euc_kr", "big5", "gb18030")
# Lead bytes of the characters of everyday, which come first in the encodings of East Asia.
_EVERYDAY = {"gb18030": (0xA1, 0xD7), "shift_jis": (0x81, 0x97), "euc_kr": (0xA1, 0xC8), "big5": (0xA1, 0xC6)}
# Words of some languages beside those of other tools that schemas.nearest knows.
_USUAL = {
    "text": ("antwort", "inhalt", "beschreibung", "volltext", "texte", "contenu", "reponse", "texto", "respuesta"),
    "title": ("frage", "titel", "betreff", "ueberschrift", "überschrift", "titre", "sujet", "titulo", "pregunta"),
    "id": ("nr", "nummer", "kennung", "schluessel", "schlüssel", "no", "num", "numero", "article_no", "ticket"),
    "domain": ("kategorie", "rubrik", "bereich", "produkt", "product", "department", "categorie", "categoria"),
    "license": ("lizenz",),
}
_TITLE_CHARS, _TEXT_CHARS = 160, 20


def guess_encoding(data: bytes, path: str) -> str:
    """Return the encoding of the beginning of a file of text, whose name errors tell.

    Raises: RecipeError for one that does not extend ASCII (UTF-16).
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data[:200].count(0) > len(data[:200]) // 4:
        raise RecipeError(f"{path} must be in an encoding that extends ASCII, got UTF-16; try saving it as UTF-8")
    try:
        data[: data.rfind(b"\n") + 1 or len(data)].decode("utf-8")
    except UnicodeDecodeError:
        found = [(_oddness(data, name), name) for name in _ENCODINGS]
        return min(found, key=lambda each: each[0])[1]
    return "utf-8"


def _oddness(data: bytes, encoding: str) -> float:
    """Return how odd a text looks in an encoding: signs that no prose has, scripts mixed within a word."""
    text = data.decode(encoding, "replace")
    high = [sign for sign in text if ord(sign) > 127]
    if not high:
        return 0.0
    letters = [sign for sign in text if sign.isalpha()]
    symbols = sum(not unicodedata.category(sign).startswith(("L", "M", "N", "P", "Z")) for sign in high)
    latin = sum(ord(sign) < 0x250 for sign in high if sign.isalpha())
    words = [word for word in text.split() if any(ord(sign) > 127 and sign.isalpha() for sign in word)]
    mixed = sum(bool(re.search("[A-Za-z]", word)) and max(map(ord, word)) > 0x24F for word in words)
    rare = sum(_is_rare(sign, encoding) for sign in high)
    crowded = latin / len(letters) if letters and latin / len(letters) > 0.3 else 0.0
    return (symbols + rare + text.count("\ufffd")) / len(high) + mixed / max(1, len(words)) + crowded


def _is_rare(sign: str, encoding: str) -> bool:
    """Return whether a character of an East Asian encoding lies beyond those of everyday."""
    low, high = _EVERYDAY.get(encoding, (0, 255))
    found = sign.encode(encoding, "replace")
    return encoding in _EVERYDAY and (len(found) != 2 or not low <= found[0] <= high)


def guess_delimiter(text: str) -> str:
    """Return what parts the cells of a CSV file: what gives most columns, and the same number in most rows."""
    best, chosen = 0.0, ","
    for delimiter in DELIMITERS:
        widths = [len(cells) for cells in read_cells(text, delimiter)]
        if widths and widths[0] > 1:
            score = widths[0] ** 0.5 * widths.count(widths[0]) / len(widths)
            if score > best:
                best, chosen = score, delimiter
    return chosen


def read_cells(text: str, delimiter: str) -> list[list[str]]:
    """Return the first rows of a CSV text, as far as they can be read."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(filter(any, islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), ROWS)))
    return rows


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row names the columns: distinct words, shorter than what stands below them."""
    names = [cell.strip() for cell in rows[0]]
    if not all(names) or len(set(names)) < len(names) or any(name.replace(".", "").isdigit() for name in names):
        return False
    if any(field_of(name) for name in names) or len(rows) == 1:
        return True
    below = [len(cell) for row in rows[1:] for cell in row]
    return max(map(len, names)) <= 60 and sum(map(len, names)) / len(names) < sum(below) / max(1, len(below))


def field_of(name: str) -> str | None:
    """Return which of our fields a column is usually called by."""
    plain = re.sub(r"[^\w]+", "_", name.strip().lower()).strip("_")
    usual = next((field for field, names in _USUAL.items() if plain in names), None)
    if usual:
        return usual
    words = [find_synonym(word, FIELDS) for word in (plain, *reversed(plain.split("_")))]
    return next((field for field in words if field), None)


def guess_fields(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return which column is which of our fields, by their names and by what the rows hold; no text: empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    values = {name: [row[name] for row in rows if row.get(name) not in (None, "")] for name in columns}
    words = {name: held for name, held in values.items() if held and all(isinstance(each, str) for each in held)}
    length = {name: sum(map(len, held)) / len(held) for name, held in words.items()}
    longest = max(length, key=lambda name: length[name], default=None)
    if longest is None or length[longest] < _TEXT_CHARS:
        return {}
    named: dict[str, str] = {}
    for name in columns:
        field = field_of(name)
        if field and field not in named and _may_be(field, name, values, length):
            named[field] = name
    if "text" not in named or length[named["text"]] * 3 < length[longest]:
        named = {field: name for field, name in named.items() if name != longest}
        named["text"] = longest
    free = [name for name in columns if name not in named.values() and values[name]]
    short = [n for n in free if n in length and 3 <= length[n] <= _TITLE_CHARS and _variety(values[n]) > 0.7]
    worded = [name for name in short if sum(" " in each for each in words[name]) * 2 > len(words[name])]
    if "title" not in named and worded:
        named["title"] = worded[0]
        free.remove(worded[0])
    unique = [name for name in free if _is_key(values[name], len(rows))]
    if "id" not in named and unique:
        named["id"] = unique[0]
    return {field: named[field] for field in FIELDS if field in named}


def _may_be(field: str, name: str, values: Mapping[str, list[Any]], length: Mapping[str, float]) -> bool:
    """Return whether a column that is called like a field holds what the field may."""
    if field == "links":
        return all(isinstance(each, list | str) for each in values[name])
    if field == "id":
        return all(isinstance(each, str | int) and not isinstance(each, bool) for each in values[name])
    return name in length and (field == "text" or length[name] <= _TITLE_CHARS)


def _variety(held: Sequence[Any]) -> float:
    return len({json.dumps(each, default=str) for each in held}) / len(held)


def _is_key(held: Sequence[Any], rows: int) -> bool:
    """Return whether values may be ids: whole numbers or short words, one a row, each once."""
    is_plain = all((isinstance(each, str) and len(each) <= 80) or type(each) is int for each in held)
    return is_plain and len(held) == rows and _variety(held) == 1.0
