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
from schemas.config import Config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
_HEAD = """# Settings

Every setting of a recipe, with its default: made of the classes that check them (`python -m jobs.setup.settings_page
--write`). `pairwright recipe my.yaml --check` tells every fault of a recipe at once, `pairwright recipe my.yaml` prints
it with all defaults, `pairwright recipe --schema` its JSON schema for editors. Relative paths start at the recipe's
folder; `null` stands for none.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_section("The recipe", "", Recipe)])


def _section(title: str, where: str, kind: type[Config]) -> Iterator[str]:
    """Yield a section of the page for a config, then those of the configs within."""
    inner = [(name, found) for name, item in kind.model_fields.items() if (found := _config_of(item)) is not None]
    yield f"## {title}\n"
    yield (kind.__doc__ or "").partition("\n")[0] + "\n"
    yield "| setting | default | may be | meaning |"
    yield "|---|---|---|---|"
    for name, item in kind.model_fields.items():
        shown, default = f"`{name}`", "required" if item.is_required() else ""
        if _config_of(item):
            shown = f"[`{name}`](#{_anchor(_place(where, name, item))})"
        elif not item.is_required():
            default = _code(item.get_default(call_default_factory=True))
        yield f"| {shown} | {default} | {_may_be(item)} | {_cell(item.description or '')} |"
    yield ""
    for name, each in inner:
        place = _place(where, name, kind.model_fields[name])
        yield from _section(place, place, each)


def _place(where: str, name: str, item: FieldInfo) -> str:
    name = f"{name}[]" if _config_of(item) and typing.get_origin(item.annotation) is tuple else name
    return f"{where}.{name}" if where else name


def _anchor(title: str) -> str:
    return "".join(sign for sign in title.lower() if sign.isalnum() or sign in "-_")


def _config_of(item: FieldInfo) -> type[Config] | None:
    """Return the config that a setting holds, alone or in a list."""
    for kind in (item.annotation, *typing.get_args(item.annotation)):
        if isinstance(kind, type) and issubclass(kind, Config):
            return kind
    return None


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
    if isinstance(hint, type) and issubclass(hint, Config):
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
