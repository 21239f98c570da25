"""YAML as people who write recipes mean it: a key once, plain values alone, nothing that grows when it is read.

PyYAML's safe loader takes the last of two equal keys, reads ``010`` as 8, ``1:30`` as 90 and ``2024-01-01`` as a date,
and needs a dot and a sign to see a number in ``2e5``. Here a key given twice is a fault with both lines; what only
looks like a number or a date stays the word that was written; ``2e-5`` is a number. ``yes``, ``no``, ``on`` and ``off``
are still true and false: a setting that wants a word says so.

Anchors and merge keys are read, as long as all that they stand for is no more than a person would write.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import RecipeError, show

_LARGEST = 256 << 10  # bytes of a file
_DEEPEST = 40
_MOST = 50_000  # values, each alias counted as what it stands for
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(?:0|[1-9](?:_?[0-9])*|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(
    r"[-+]?(?:(?:[0-9](?:_?[0-9])*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9](?:_?[0-9])*\.?(?:[eE][-+]?[0-9]+)"
    r"|[0-9](?:_?[0-9])*\.|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
)
_TRUE = frozenset(("yes", "true", "on"))
_HINTS = {
    "character '\\t'": "spaces in place of the tab",
    "expected alphabetic or numeric character": "quotes around a value that begins with * or &",
    "mapping values are not allowed here": "quotes around a value that holds a colon and a space, or check the indent",
    "unknown escape character": "single quotes around a value with backslashes",
    "cannot start any token": "quotes around the value",
    "undefined alias": "quotes around a value that begins with *",
    "could not find expected ':'": "a colon and a space between name and value",
    "unexpected end of stream": "a closing quote",
    "expected ',' or": "a closing bracket",
    "expected <block end>": "the same indent for all that belongs together",
    "special characters are not allowed": "leaving control characters out",
}


def read_yaml(path: Path) -> Any:
    """Return the value of a YAML file.

    Raises: RecipeError with the line and a way out; OSError when there is no such file.
    """
    with path.open("rb") as handle:
        data = handle.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise RecipeError(f"{path} must be at most {_LARGEST} bytes, got more; try naming the file of a recipe")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fault = f"{path}:{line} must be UTF-8, got a byte {data[error.start]:#04x}; try saving it as UTF-8"
        raise RecipeError(fault) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Return the value of a YAML text; ``where`` names it in errors.

    Raises: RecipeError with the line and a way out, of every key that is given twice.
    """
    try:
        _check_events(text, where)
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _check_size(root, where)
        value = loader.construct_document(root)
    except yaml.YAMLError as error:
        raise RecipeError(_explain(error, where)) from error
    except RecursionError as error:
        raise RecipeError(f"{where} must be nested at most {_DEEPEST} deep, got more") from error
    if loader.twice:
        raise RecipeError([f"{where}:{line} {fault}" for line, fault in sorted(loader.twice)])
    return value


def _check_events(text: str, where: str) -> None:
    """Refuse what is nested too deep, and a second document, before anything is made of it."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        line = _line_of(event)
        if depth > _DEEPEST:
            raise RecipeError(f"{where}:{line} must be nested at most {_DEEPEST} deep, got more")
        if documents > 1:
            raise RecipeError(f"{where}:{line} must be one document, got a second; try one file each")


def _check_size(root: yaml.Node, where: str) -> None:
    """Refuse aliases that stand for themselves, or for so much that it was not written by hand."""
    sizes: dict[int, int] = {}
    under_way: set[int] = set()

    def measure(node: yaml.Node) -> int:
        key = id(node)
        if key in under_way:
            raise RecipeError(f"{where}:{_line_of(node)} must not hold itself, got an alias inside its anchor")
        if key not in sizes:
            under_way.add(key)
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            parts = [each for pair in pairs for each in pair] or (node.value if isinstance(node.value, list) else [])
            sizes[key] = 1 + sum(measure(each) for each in parts)
            under_way.discard(key)
        return sizes[key]

    if measure(root) > _MOST:
        raise RecipeError(f"{where} must hold at most {_MOST} values, got {show(sizes[id(root)])} with its aliases")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with fewer types and with keys that stand once."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: list[tuple[int, str]] = []
        self._seen: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Note keys given twice before what is merged in joins those given."""
        if id(node) not in self._seen:
            self._seen.add(id(node))
            self._note_twice(node)
        super().flatten_mapping(node)

    def _note_twice(self, node: yaml.MappingNode) -> None:
        lines: dict[Hashable, int] = {}
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key.value, str) else None
            line = _line_of(key)
            if name in lines:
                fault = f"{key.value} must be given once, got it in line {lines[name]} as well; try one of the two"
                self.twice.append((line, fault))
            elif name is not None:
                lines[name] = line


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    text = str(loader.construct_scalar(node)).replace("_", "")
    try:
        return int(text, 16 if "x" in text else 10)
    except ValueError:  # thousands of digits, or a tag in front of a word
        return str(node.value)


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float | str:
    text = str(loader.construct_scalar(node)).replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
    try:
        return float(text)
    except ValueError:
        return str(node.value)


def _construct_bool(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return str(loader.construct_scalar(node)).lower() in _TRUE


def _construct_str(loader: _Loader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    try:
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16")  # two escapes that make one character
    except UnicodeDecodeError:
        whole = "\0"
    if "\0" in whole:
        raise yaml.constructor.ConstructorError(None, None, "special characters are not allowed", node.start_mark)
    return whole


def _refuse(_: _Loader, node: yaml.Node) -> None:
    must_be = f"expected a plain value, but found the tag {node.tag.replace(_TAG, '!!')}"
    raise yaml.constructor.ConstructorError(None, None, must_be, node.start_mark)


_Loader.yaml_constructors = {
    **{_TAG + kind: yaml.SafeLoader.yaml_constructors[_TAG + kind] for kind in ("null", "seq", "map")},
    _TAG + "int": _construct_int,
    _TAG + "float": _construct_float,
    _TAG + "bool": _construct_bool,
    _TAG + "str": _construct_str,
    None: _refuse,
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag.rpartition(":")[2] in ("null", "bool", "merge")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_TAG + "int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+0123456789."))


def _line_of(place: yaml.Event | yaml.Node) -> int:
    return place.start_mark.line + 1 if place.start_mark else 0


def _explain(error: yaml.YAMLError, where: str) -> str:
    """Return the parser's complaint in one line, with the place and what most often mends it."""
    mark = getattr(error, "problem_mark", None)
    said = " ".join(str(getattr(error, "problem", None) or str(error).partition("\n")[0]).split())
    place = f"{where}:{mark.line + 1}" if mark else where
    way_out = next((hint for words, hint in _HINTS.items() if words in said), "")
    return f"{place} must be YAML, got {said}" + (f"; try {way_out}" if way_out else "")
