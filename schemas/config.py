"""Settings as pydantic models: declared once, frozen, unknown keys refused, all faults at once in the house's words.

A setting's rule stands where it is declared (:func:`setting`), so that the check, the JSON schema and the help text
come from one place. A class adds rules over several settings as methods whose names begin with ``faults``: each is
asked by itself, also when some settings are at fault, and is passed over when it reads one of those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticUndefined

from schemas.errors import RecipeError, rule
from schemas.faults import WHOLE, as_given, explain_error, explain_unknown, join_place, models_in
from schemas.nearest import find_nearest

T = TypeVar("T")
R = TypeVar("R")
_FOUND = "faults found"  # where a config that is at fault carries them until the outermost one raises


def setting(
    default: Any = PydanticUndefined,
    doc: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    factory: Any = None,
) -> Any:
    """Declare one setting: its default (none = required), what it means, its closed range or its choices."""
    rules: dict[str, Any] = {"ge": low, "le": high, "description": doc or None}
    rules |= {"default_factory": factory} if factory else {"default": default}
    return Field(**rules, json_schema_extra=_Choices(tuple(choices)) if choices else None)


@dataclass(frozen=True)
class _Choices:
    """The words that a setting, or each element of it, may be; called by pydantic to write them into the schema."""

    words: tuple[str, ...]

    def __call__(self, schema: dict[str, Any]) -> None:
        """Write them."""
        (schema["items"] if schema.get("type") == "array" else schema)["enum"] = list(self.words)


@dataclass(frozen=True)
class _Faulty:
    """Stands for the value of a setting that is at fault."""

    faults: list[str]


class _ReadsFaultError(Exception):
    """A rule reads a setting that is at fault by itself."""


class Config(BaseModel):
    """Base of every config class."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def faults(self) -> list[str]:
        """Return the faults that span several settings; subclasses override it."""
        return []

    @classmethod
    def explain_unknown(cls, key: str, value: Any) -> str | None:  # noqa: ARG003 -- for subclasses
        """Return the fault of an unknown setting where a class knows more of it than that; subclasses override it."""
        return None

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any] | None, where: str = "") -> Self:
        """Build from plain data (a YAML mapping). ``where`` prefixes the field names in errors.

        Raises: RecipeError with every unknown key, missing key and broken rule.
        """
        made, found = cls.gather(given)
        if found:
            where = where or (cls.__name__ if found[0].startswith(" ") else "")
            raise RecipeError([join_place(where, fault) for fault in found])
        return made

    @classmethod
    def gather(cls, given: Mapping[str, Any] | None) -> tuple[Self, list[str]]:
        """Return a config of what is sound in plain data, and every fault; what is at fault is for ask_each alone."""
        made = cls.model_validate({} if given is None else given, context={"outermost": cls})
        return made, made.__dict__.get(_FOUND, [])

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data that ``from_mapping`` takes back: what fingerprints and manifests hold."""
        return {name: _plain(getattr(self, name)) for name in type(self).model_fields}

    def replace(self, **settings: Any) -> Self:
        """Return a config with some settings changed, checked as a new one is."""
        return type(self)(**{name: getattr(self, name) for name in type(self).model_fields} | settings)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON schema (draft 2020-12) of this config."""
        return cls.model_json_schema(schema_generator=_PlainSchema)

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, given: Any, build: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Build a config with what is sound, gather every fault; raise them, or carry them to the outermost config."""
        if isinstance(given, cls):
            return given
        known = cls.model_fields
        if given is None or isinstance(given, Mapping):
            values, found = _sort_keys(cls, given or {}, (info.context or {}).get("outermost", cls))
        else:
            values, found = {name: _Faulty([]) for name in known}, [rule("", "a mapping", as_given(given))]
        made = build(values)
        for name in known:
            value = made.__dict__[name]
            found += [join_place(name, fault) for fault in _faults_in(value)]
            if isinstance(value, _Faulty):
                del made.__dict__[name]
        found += made._broken_rules()
        if found and info.context is None:
            raise RecipeError(found)
        if found:
            made.__dict__[_FOUND] = found
        return made

    @field_validator("*", mode="wrap")
    @classmethod
    def _keep_faults(cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Return the checked value of a setting, or its faults in its place."""
        if isinstance(value, _Faulty):
            return value
        item = cls.model_fields[str(info.field_name)]
        try:
            sound = check(value)
        except ValidationError as error:
            return _Faulty(list(dict.fromkeys(explain_error(each, item) for each in error.errors())))
        choices = item.json_schema_extra
        if isinstance(choices, _Choices):
            each = sound if isinstance(sound, tuple) else (sound,)
            must_be = f"one of {', '.join(choices.words)}"
            wrong = [
                rule("", must_be, one, meant=find_nearest(one, choices.words))
                for one in each
                if one not in choices.words
            ]
            return _Faulty(wrong) if wrong else sound
        if isinstance(sound, int) and not -WHOLE <= sound < WHOLE:
            return _Faulty([rule("", f"a whole number below {WHOLE}", sound)])
        return sound

    def _broken_rules(self) -> list[str]:
        """Return the faults of every rule over several settings that can be asked."""
        names = dict.fromkeys(name for kind in type(self).__mro__ for name in vars(kind) if name.startswith("faults"))
        found: list[str] = []
        for name in names:
            with suppress(_ReadsFaultError):
                found.extend(getattr(self, name)())
        return found

    if not TYPE_CHECKING:  # so that mypy still knows which settings there are

        def __getattr__(self, name: str) -> Any:
            """Tell a rule that the setting it reads is at fault by itself."""
            if name in type(self).model_fields:
                raise _ReadsFaultError(name)
            return super().__getattr__(name)


def ask_each(items: Iterable[T], ask: Callable[[T], R]) -> list[R]:
    """Return what a rule asks of each item, without those whose setting is at fault."""
    found: list[R] = []
    for item in items:
        with suppress(_ReadsFaultError):
            found.append(ask(item))
    return found


def configs_in(hint: Any) -> list[type[Config]]:
    """Return the configs that a setting of a type may hold, alone or in a list, as the JSON schema has them."""
    return [kind for kind in models_in(hint) if issubclass(kind, Config) and not kind.__name__.startswith("_")]


class _PlainSchema(GenerateJsonSchema):
    """JSON schema without a title for each setting."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 -- pydantic's signature
        """Return no: the name says it."""
        return False


def _sort_keys(
    kind: type[Config], given: Mapping[str, Any], outermost: type[Config]
) -> tuple[dict[str, Any], list[str]]:
    """Return the known keys with their values, lists as tuples, and a fault for each unknown or missing one."""
    known = kind.model_fields
    found = [
        (kind.explain_unknown(key, given[key]) if isinstance(key, str) else None)
        or explain_unknown(key, kind, outermost)
        for key in given
        if key not in known
    ]
    values: dict[str, Any] = {}
    for name, item in known.items():
        if name in given:
            values[name] = tuple(given[name]) if isinstance(given[name], list) else given[name]
        elif item.is_required():
            values[name] = _Faulty([f" is missing: {item.description or 'it is required'}"])
    return values, found


def _faults_in(value: Any) -> Iterator[str]:
    """Yield the faults of a setting's value: its own, those of a section, those of a list of sections."""
    if isinstance(value, _Faulty):
        yield from value.faults
    elif isinstance(value, Config):
        yield from value.__dict__.get(_FOUND, ())
    elif isinstance(value, tuple):
        for place, each in enumerate(value):
            yield from (join_place(f"[{place}]", fault) for fault in _faults_in(each))


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_mapping()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return dict(value) if isinstance(value, dict) else value
