"""What is said of a setting at fault: the house's words for pydantic's errors, and what was meant."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from schemas.errors import rule
from schemas.nearest import find_nearest

WHOLE = 1 << 63  # what Spark, Arrow and Java hold as a whole number
_TRUTHS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
_TYPES = {
    "string_type": "of type string",
    "int_type": "of type integer",
    "float_type": "of type number",
    "bool_type": "of type boolean",
    "tuple_type": "a list",
    "dict_type": "a mapping",
}


def explain_error(error: ErrorDetails, item: FieldInfo) -> str:
    """Return pydantic's error as a fault of the setting: `` must be ...``, or ``[2] must be ...`` for an element."""
    kind, got = error["type"], as_given(error["input"])
    places = [place for place in error["loc"] if place not in ("int", "float", "[key]")]
    where = "".join(f"[{place}]" if isinstance(place, int) else f".{place}" for place in places)
    if got is None and not places:
        return rule(where, "set", None)
    if kind in ("greater_than_equal", "less_than_equal", "finite_number"):
        must_be = _range_text(item)
        return rule(where, must_be if "between" in must_be or kind != "finite_number" else f"finite and {must_be}", got)
    if kind == "int_type" and "int" in error["loc"]:  # a union of both
        kind = "float_type"
    return rule(where, _TYPES.get(kind, f"as pydantic has it ({error['msg']})"), got, _way_out(kind, got))


def _way_out(kind: str, got: object) -> str:
    """Return how a value of another type is to be written; empty when nobody can tell."""
    word = got.strip().lower() if isinstance(got, str) else ""
    match kind, got:
        case "string_type", bool():
            return f"quotes: {_quoted_truth(got)}"
        case "string_type", int() | float():
            return "quotes around it"
        case "string_type", None:
            return "a word; null is none unless it stands in quotes, and a colon wants a space after it"
        case "int_type", float() if got.is_integer() and abs(got) < WHOLE:
            return str(int(got))
        case (("int_type" | "float_type"), str()) if re.fullmatch(r"[-+]?\d{1,18}", word):
            return f"{int(word)} without quotes"
        case "float_type", str() if re.fullmatch(r"[-+]?(\d{1,18}\.?\d{0,18}|\.\d{1,18})(e[-+]?\d{1,3})?", word):
            return f"{float(word)} without quotes"
        case "bool_type", str() if word in _TRUTHS:
            return f"{_TRUTHS[word]} without quotes"
        case "bool_type", int() if got in (0, 1):
            return str(bool(got)).lower()
        case "tuple_type", str() | int() | float():
            return f"brackets: [{got}]"
        case _:
            return ""


def _quoted_truth(got: bool) -> str:
    """Return how a word is written that YAML reads as true or false."""
    words = [word for word, truth in _TRUTHS.items() if truth == str(got).lower()]
    return f"{' or '.join(repr(word) for word in reversed(words))} (without them YAML reads {str(got).lower()})"


def as_given(value: Any) -> Any:
    """Return a value as the recipe has it: a list that became a tuple as a list."""
    return list(value) if isinstance(value, tuple) else value


def _range_text(item: FieldInfo) -> str:
    low = next((each.ge for each in item.metadata if hasattr(each, "ge")), None)
    high = next((each.le for each in item.metadata if hasattr(each, "le")), None)
    if low is None or high is None:
        return f"at least {low}" if low is not None else f"at most {high}" if high is not None else "a finite number"
    return f"between {low} and {high}"


def explain_unknown(key: object, kind: type[BaseModel], outermost: type[BaseModel]) -> str:
    """Return the fault of an unknown setting: which one was meant, or else which ones there are."""
    if isinstance(key, bool):  # yes, no, on, off: YAML reads them so
        return rule(str(key).lower(), "a setting's name", key, f"quotes: {_quoted_truth(key)}")
    meant = find_nearest(key, kind.model_fields)
    if not meant:
        places = dict(_places_of(outermost))
        name = find_nearest(key, dict.fromkeys(places.values()))
        meant = " or ".join([place for place, each in places.items() if each == name][:3])
    if meant:
        return rule(str(key), "one of the known settings", key, meant=meant)
    return rule(str(key), f"one of the known settings ({', '.join(kind.model_fields)})", key, "leaving it out")


def _places_of(kind: type[BaseModel], where: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place and the name of every setting, from a config down."""
    for name, item in kind.model_fields.items():
        place = join_place(where, name)
        yield place, name
        brackets = "[]" if typing.get_origin(item.annotation) is tuple else ""
        for inner in models_in(item.annotation):
            yield from _places_of(inner, place + brackets)


def models_in(hint: Any) -> list[type[BaseModel]]:
    """Return the models of a setting's type: one, those of a union, or those of a list's elements."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    return [found for inner in typing.get_args(hint) for found in models_in(inner)]


def join_place(where: str, fault: str) -> str:
    """Return a fault with the place it was found at: a fault that begins with its rule or an index is of the place."""
    return where + fault if not where or fault.startswith((" ", "[", ".")) else f"{where}.{fault}"
