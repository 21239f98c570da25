"""Settings as frozen dataclasses: declared once, checked when built, unknown keys refused, all faults at once.

A setting's rule stands in its field metadata (:func:`setting`), so that the check, the JSON schema and the help text
come from one place. Subclasses that need a rule over several fields add it in ``faults``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from typing import Any, Self

from schemas.errors import RecipeError, rule

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def setting(
    default: Any = MISSING,
    doc: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    factory: Any = MISSING,
) -> Any:
    """Declare one setting: its default (none = required), what it means, its closed range or its choices."""
    metadata = {"doc": doc, "low": low, "high": high, "choices": tuple(choices)}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """Base of every config class."""

    def __post_init__(self) -> None:
        """Check every rule; raise one RecipeError with all faults."""
        found = [*self._field_faults(), *self.faults()]
        if found:
            raise RecipeError(found)

    def faults(self) -> list[str]:
        """Return the faults that span several fields; subclasses override it."""
        return []

    def _field_faults(self) -> list[str]:
        found: list[str] = []
        hints = typing.get_type_hints(type(self))
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            found.extend(_faults_of(item, hints[item.name], value))
        return found

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any] | None, where: str = "") -> Self:
        """Build from plain data (a YAML mapping). ``where`` prefixes the field names in errors.

        Raises: RecipeError with every unknown key, missing key and broken rule.
        """
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            raise RecipeError(rule(where or cls.__name__, "a mapping", given))
        hints = typing.get_type_hints(cls)
        known = {item.name: item for item in dataclasses.fields(cls)}
        found = [
            rule(_join(where, str(key)), f"one of the known settings ({', '.join(known)})", key, "removing it")
            for key in given
            if key not in known
        ]
        values: dict[str, Any] = {}
        for name, item in known.items():
            if name in given:
                try:
                    values[name] = _coerce(hints[name], given[name], _join(where, name))
                except RecipeError as error:
                    found.extend(error.faults)
            elif item.default is MISSING and item.default_factory is MISSING:
                found.append(f"{_join(where, name)} is missing: {item.metadata.get('doc', 'it is required')}")
        if found:
            raise RecipeError(found)
        try:
            return cls(**values)
        except RecipeError as error:
            raise RecipeError([_join(where, fault) for fault in error.faults]) from None

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data that ``from_mapping`` takes back: what fingerprints and manifests hold."""
        return {item.name: _plain(getattr(self, item.name)) for item in dataclasses.fields(self)}

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON schema (draft 2020-12) of this config."""
        hints = typing.get_type_hints(cls)
        properties: dict[str, Any] = {}
        required: list[str] = []
        for item in dataclasses.fields(cls):
            properties[item.name] = _schema_of(hints[item.name], item)
            if item.default is MISSING and item.default_factory is MISSING:
                required.append(item.name)
        schema = {
            "type": "object",
            "description": (cls.__doc__ or "").split("\n", maxsplit=1)[0],
            "properties": properties,
            "additionalProperties": False,
        }
        return {**schema, "required": required} if required else schema


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _optional(hint: Any) -> tuple[Any, bool]:
    """Return the hint without None, and whether None was allowed."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return inner[0], len(inner) < len(typing.get_args(hint))
    return hint, False


def _coerce(hint: Any, value: Any, where: str) -> Any:
    """Turn plain data into what the hint asks for: configs, tuples, mappings; scalars are passed on."""
    inner, optional = _optional(hint)
    if value is None and optional:
        return None
    origin = typing.get_origin(inner)
    if isinstance(inner, type) and issubclass(inner, Config):
        return inner.from_mapping(value, where)
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise RecipeError(rule(where, "a list", value))
        item = typing.get_args(inner)[0]
        return tuple(_coerce(item, each, f"{where}[{i}]") for i, each in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise RecipeError(rule(where, "a mapping", value))
        return dict(value)
    if inner is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _faults_of(item: dataclasses.Field[Any], hint: Any, value: Any) -> list[str]:
    inner, optional = _optional(hint)
    if value is None:
        return [] if optional else [rule(item.name, "set", None)]
    if inner in _JSON_TYPES:
        wrong = not isinstance(value, inner) or (inner in (int, float) and isinstance(value, bool))
        if wrong and not (inner is float and isinstance(value, int)):
            return [rule(item.name, f"of type {_JSON_TYPES[inner]}", value)]
    low, high, choices = (item.metadata.get(name) for name in ("low", "high", "choices"))
    if choices:
        each = value if isinstance(value, tuple) else (value,)
        return [rule(item.name, f"one of {', '.join(choices)}", one) for one in each if one not in choices]
    if not ((low is None or value >= low) and (high is None or value <= high)):  # so that nan is refused
        return [rule(item.name, _range_text(low, high), value)]
    return []


def _range_text(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"between {low} and {high}"


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_mapping()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return dict(value) if isinstance(value, dict) else value


def _schema_of(hint: Any, item: dataclasses.Field[Any] | None = None) -> dict[str, Any]:
    inner, optional = _optional(hint)
    origin = typing.get_origin(inner)
    if isinstance(inner, type) and issubclass(inner, Config):
        schema = inner.json_schema()
    elif origin is tuple:
        schema = {"type": "array", "items": _schema_of(typing.get_args(inner)[0])}
    elif origin is dict:
        schema = {"type": "object", "additionalProperties": _schema_of(typing.get_args(inner)[1])}
    else:
        schema = {"type": _JSON_TYPES.get(inner, "string")}
    if optional:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return schema if item is None else {**schema, **_annotations(item)}


def _annotations(item: dataclasses.Field[Any]) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    if item.metadata.get("doc"):
        notes["description"] = item.metadata["doc"]
    if item.default is not MISSING:
        notes["default"] = _plain(item.default)
    for key, name in (("low", "minimum"), ("high", "maximum")):
        if item.metadata.get(key) is not None:
            notes[name] = item.metadata[key]
    if item.metadata.get("choices"):
        notes["enum"] = list(item.metadata["choices"])
    return notes
