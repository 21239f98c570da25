"""A row with the user's names becomes a record; a row that cannot is rejected with what was wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.readers.config import FieldsConfig
from pipeline.readers.records import DOCUMENT, MISSING_FIELD, WRONG_TYPE, Record, reject
from schemas.beir import is_missing, read_id

# Tried in this order where the recipe names no field.
_DEFAULTS = {"id": ("_id", "id"), "links": ("links",)}
# How data frames write a missing cell as a string; a text or a title may be just that word.
_MISSING = frozenset({"NaN", "NaT", "<NA>"})
_OPTIONAL = frozenset({"id", "family", "domain", "license", "links"})


def names_of(source: FieldsConfig, field: str) -> tuple[str, ...]:
    """Return the names under which a field is looked for, first match wins."""
    return (source.fields[field],) if field in source.fields else _DEFAULTS.get(field, (field,))


def read_row(row: Mapping[str, Any], source: FieldsConfig, path: str, line: int, raw: bytes) -> Record:
    """Return the document of a row, or the reject that says which field is missing or of the wrong type."""
    wrong: list[str] = []
    text = _string(row, source, "text", wrong)
    if text is None and not wrong:
        has = ", ".join(sorted(map(str, row))[:20])
        detail = f"no field {names_of(source, 'text')[0]!r}; the row has: {has}; try sources.{source.name}.fields.text"
        return reject(path, line, MISSING_FIELD, detail, raw)
    record = Record(
        DOCUMENT,
        path,
        line,
        native_id=_identifier(row, source, wrong),
        title=_string(row, source, "title", wrong) or "",
        text=text or "",
        links=_links(row, source, wrong),
        family=_string(row, source, "family", wrong),
        domain=_string(row, source, "domain", wrong),
        license=_string(row, source, "license", wrong),
    )
    return reject(path, line, WRONG_TYPE, "; ".join(wrong), raw) if wrong else record


def _value(row: Mapping[str, Any], source: FieldsConfig, field: str) -> tuple[str, Any]:
    names = names_of(source, field)
    for name in names:
        value = row.get(name)
        if not is_missing(value) and not (field in _OPTIONAL and isinstance(value, str) and value in _MISSING):
            return name, value
    return names[0], None


def _string(row: Mapping[str, Any], source: FieldsConfig, field: str, wrong: list[str]) -> str | None:
    name, value = _value(row, source, field)
    if value is None or isinstance(value, str):
        return value
    wrong.append(f"field {name!r} must be a string, got {type(value).__name__}")
    return None


def _identifier(row: Mapping[str, Any], source: FieldsConfig, wrong: list[str]) -> str | None:
    """Ids are strings or whole numbers; an empty one is none."""
    name, value = _value(row, source, "id")
    try:
        return read_id(value)
    except ValueError as error:
        wrong.append(f"field {name!r} {error}")
        return None


def _links(row: Mapping[str, Any], source: FieldsConfig, wrong: list[str]) -> list[str]:
    name, value = _value(row, source, "links")
    if value is None:
        return []
    try:
        found = [read_id(each) for each in (value if isinstance(value, list) else [value])]
    except ValueError:
        wrong.append(f"field {name!r} must be a list of ids, got {type(value).__name__}")
        return []
    return [each for each in found if each is not None]
