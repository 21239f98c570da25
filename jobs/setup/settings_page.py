"""The page of all settings, docs/settings.md, made of the classes that check them.

``python -m jobs.setup.settings_page`` prints it, with ``--write`` it is written into the repository.
"""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from pipeline.recipe import Recipe
from schemas.config import Config, configs_in

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
_HEAD = """# Settings

Every setting of a recipe, with its default: made of the classes that check them (`python -m jobs.setup.settings_page
--write`). `pairwright recipe my.yaml --check` tells every fault of a recipe at once, `pairwright recipe my.yaml` prints
it with all defaults, `pairwright recipe --schema` its JSON schema for editors. Relative paths start at the recipe's
folder; `null` stands for none.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_section("The recipe", "", [Recipe])])


def _section(title: str, where: str, kinds: Sequence[type[Config]]) -> Iterator[str]:
    """Yield a section of the page for a config, then those of the configs within.

    Of configs that are told apart by one setting, the settings of all come first, then those of some.
    """
    names = list(dict.fromkeys(name for kind in kinds for name in kind.model_fields))
    shared = [name for name in names if all(name in kind.model_fields for kind in kinds)]
    items = {name: next(kind.model_fields[name] for kind in kinds if name in kind.model_fields) for name in names}
    yield f"## {title}\n"
    yield (_shared_class(kinds).__doc__ or "").partition("\n")[0] + "\n"
    yield "| setting | default | may be | meaning |"
    yield "|---|---|---|---|"
    for name in shared:
        yield f"| {_row(where, name, items[name], [kind.model_fields[name] for kind in kinds])} |"
    yield ""
    if len(shared) < len(names):
        told_apart = next(name for name in shared if _literals(kinds[0].model_fields[name]))
        yield f"| setting | of {told_apart} | default | may be | meaning |"
        yield "|---|---|---|---|---|"
        for name in (each for each in names if each not in shared):
            having = [kind for kind in kinds if name in kind.model_fields]
            words = ", ".join(word for kind in having for word in _literals(kind.model_fields[told_apart]))
            setting, rest = _row(where, name, items[name], [items[name]]).split(" | ", 1)
            yield f"| {setting} | {words} | {rest} |"
        yield ""
    for name in shared:
        if inner := configs_in(items[name].annotation):
            place = _place(where, name, items[name])
            yield from _section(place, place, inner)


def _shared_class(kinds: Sequence[type[Config]]) -> type[Config]:
    """Return the class itself, or the nearest one that all are made of."""
    return next(each for each in kinds[0].__mro__ if all(issubclass(kind, each) for kind in kinds))


def _row(where: str, name: str, item: FieldInfo, items: Sequence[FieldInfo]) -> str:
    """Return the cells of a setting; its choices are those of all the configs that have it."""
    shown, default = f"`{name}`", "required" if item.is_required() else ""
    if configs_in(item.annotation):
        shown = f"[`{name}`](#{_anchor(_place(where, name, item))})"
    elif not item.is_required():
        default = _code(item.get_default(call_default_factory=True))
    words = [word for each in items for word in _literals(each)]
    may_be = ", ".join(f"`{word}`" for word in words) if words else _may_be(item)
    return f"{shown} | {default} | {may_be} | {_cell(item.description or '')}"


def _literals(item: FieldInfo) -> tuple[str, ...]:
    return typing.get_args(item.annotation) if typing.get_origin(item.annotation) is typing.Literal else ()


def _place(where: str, name: str, item: FieldInfo) -> str:
    name = f"{name}[]" if configs_in(item.annotation) and typing.get_origin(item.annotation) is tuple else name
    return f"{where}.{name}" if where else name


def _anchor(title: str) -> str:
    return "".join(sign for sign in title.lower() if sign.isalnum() or sign in "-_")


def _may_be(item: FieldInfo) -> str:
    """Return what a setting may be: its choices, or its type and range."""
    words = getattr(item.json_schema_extra, "words", ())
    name = _type_name(item.annotation)
    if words:
        return _cell(("some of " if name.startswith("list") else "") + ", ".join(f"`{word}`" for word in words))
    low = next((each.ge for each in item.metadata if hasattr(each, "ge")), None)
    high = next((each.le for each in item.metadata if hasattr(each, "le")), None)
    if low is None:
        return name
    return f"{name}, {_code(low)} to {_code(high)}" if high is not None else f"{name}, from {_code(low)}"


def _type_name(hint: Any) -> str:
    if typing.get_origin(hint) is not tuple and configs_in(hint):
        return "section"
    names = {str: "word", int: "whole number", float: "number", bool: "true, false", type(None): "null"}
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return f"list of {_type_name(args[0])}s"
    if typing.get_origin(hint) is dict:
        return f"{_type_name(args[0])}s with a {_type_name(args[1])} each"
    if args:
        return " or ".join(dict.fromkeys(_type_name(each) for each in args if each is not int or float not in args))
    return names.get(hint, "value")


def _code(value: Any) -> str:
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def main(argv: Sequence[str] | None = None) -> None:
    """Print the page, or write it with ``--write``."""
    if "--write" in (sys.argv[1:] if argv is None else argv):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    main()
