"""The reader of Python files: every docstring of some length is a document. Nothing is imported, only parsed.

A document's title is the summary, its text the name with its arguments and the rest of the docstring: without the name,
the rest of a hundred functions is the same "Args: schema: The core schema". Known weakness: docstrings
that code makes (``add_docstr``, templates) and those of extension modules are not seen.
"""

from __future__ import annotations

import ast
import gc
import inspect
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.locations import local_path
from pipeline.readers.config import ReaderConfig
from pipeline.readers.format import Format
from pipeline.readers.formats.pydocs.markup import plain_text, see_also, split_summary
from pipeline.readers.formats.pydocs.packages import python_files
from pipeline.readers.records import DOCUMENT, SEE_ALSO, SYNTAX_ERROR, TOO_LARGE, UNREADABLE, Record, reject
from pipeline.readers.unit import SourceFile, Unit
from schemas.config import setting

_TOPICS = "pydoc_data/topics.py"
_MOST_ARGUMENTS = 12
_SHORTEST_REST = 30
_WORDS = re.compile(r"\w+")
Node = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
# Statements that hold statements; the others are most of a file and hold no docstring.
_COMPOUND = (
    ast.If,
    ast.Try,
    ast.TryStar,
    ast.ExceptHandler,
    ast.With,
    ast.AsyncWith,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Match,
    ast.match_case,
)


class Docstring(NamedTuple):
    """What is kept of a symbol when its syntax tree is gone; ``heading`` is what its text begins with."""

    symbol: str
    heading: str
    line: int
    text: str


class PydocsConfig(ReaderConfig):
    """Docstrings of installed packages."""

    packages: tuple[str, ...] = setting(("*",), "top-level packages; stdlib; * = all that is installed")
    exclude: tuple[str, ...] = setting(
        ("tests", "test", "idle_test"), "folders not read; their docstrings tell of bugs, not of use"
    )
    min_docstring: int = setting(120, "characters that make a docstring a document", low=1)
    signature: bool = setting(True, "the text begins with the symbol's name and its arguments")


def list_packages(source: PydocsConfig) -> list[SourceFile]:
    """Return the Python files of the source's packages. Raises: RecipeError when one is not installed."""
    found = python_files(source.packages, source.exclude, f"sources.{source.name}")
    return [SourceFile(each.path, each.location, each.size, domain=each.package) for each in found]


def read_docstrings(unit: Unit, source: PydocsConfig) -> Iterator[Record]:
    """Yield the documents of a Python file and what its "See Also" sections say about other symbols."""
    if unit.size > source.max_bytes:
        yield reject(unit.path, 0, TOO_LARGE, f"more than {source.max_bytes} bytes")
        return
    raw = b""
    try:
        raw = Path(local_path(unit.location)).read_bytes()
        topics, docstrings = _parse(raw, unit, source)
    except OSError as error:
        yield reject(unit.path, 0, UNREADABLE, error.strerror or str(error))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 0
        yield reject(unit.path, line, SYNTAX_ERROR, f"{type(error).__name__}: {error}", raw)
    else:
        yield from topics
        for docstring in docstrings:
            yield from _documents(docstring, unit)


def module_name(unit: Unit) -> str:
    """Return the dotted name of the module that a file holds."""
    path = unit.path.removeprefix("stdlib/") if unit.domain == "stdlib" else unit.path
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def family_of(symbol: str) -> str:
    """Return the last name of a symbol in plain letters: ``numpy.sum``, ``DataFrame.sum`` and ``_sum`` are one family.

    Functions of one name tend to be variants, wrappers or copies of each other, and their docstrings too.
    """
    last = symbol.rpartition(".")[2].strip("_").casefold()
    return last.removeprefix("async").strip("_") or last or symbol


def _parse(raw: bytes, unit: Unit, source: PydocsConfig) -> tuple[list[Record], list[Docstring]]:
    """Return topics and docstrings of a file.

    The garbage collector pauses meanwhile: walking over a tree of a million nodes again and again, to find nothing,
    takes it a third of the time. Warnings about old escapes in strings are none of our business.
    """
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(raw)
        topics = list(_read_topics(tree, unit)) if unit.path.endswith(_TOPICS) else []
        return topics, list(_find_docstrings(tree, unit, source))
    finally:
        gc.enable()


def _find_docstrings(tree: ast.Module, unit: Unit, source: PydocsConfig) -> Iterator[Docstring]:
    for symbol, node in _walk(tree, module_name(unit)):
        text = ast.get_docstring(node, clean=False)
        if text and len(text) >= source.min_docstring:
            heading = f"{_heading(symbol, node, unit)}\n" if source.signature else ""
            yield Docstring(symbol, heading, getattr(node, "lineno", 1), text)


def _walk(tree: ast.Module, module: str) -> Iterator[tuple[str, Node]]:
    """Yield the module, its classes and functions, in order of the file, also those under ``if`` and ``try``."""
    stack: list[tuple[str, ast.AST]] = [(module, tree)]
    while stack:
        name, node = stack.pop()
        if isinstance(node, Node):
            yield name, node
        inner = [each for block in _BLOCKS for each in getattr(node, block, ())]
        for each in reversed(inner):
            if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                stack.append((f"{name}.{each.name}", each))
            elif isinstance(each, _COMPOUND):
                stack.append((name, each))


def _documents(found: Docstring, unit: Unit) -> Iterator[Record]:
    docstring = inspect.cleandoc(found.text)
    links = see_also(docstring)
    title, rest = split_summary(docstring)
    if len(" ".join(_WORDS.findall(rest))) < _SHORTEST_REST:  # all summary: a text to be found, but not by itself
        title, rest = "", f"{title}\n{rest}".strip()
    package = found.symbol.partition(".")[0]
    yield Record(
        DOCUMENT,
        unit.path,
        found.line,
        native_id=found.symbol,
        title=title,
        text=found.heading + rest,
        links=[link for link, _ in links],
        family=family_of(found.symbol),
        domain=unit.domain,
        package=package,
    )
    for link, about in links:
        if about:
            yield Record(
                SEE_ALSO, unit.path, found.line, native_id=found.symbol, text=about, links=[link], package=package
            )


def _heading(name: str, node: Node, unit: Unit) -> str:
    """Return ``Class.method(a, b)``, ``class Name(a, b)`` or the name of the module."""
    if isinstance(node, ast.Module):
        return name
    short = name.removeprefix(f"{module_name(unit)}.")
    if isinstance(node, ast.ClassDef):
        makers = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        return f"class {short}({_arguments(makers[0])})" if makers else f"class {short}"
    return f"{short}({_arguments(node)})"


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    given = node.args
    names = [each.arg for each in (*given.posonlyargs, *given.args)]
    names = names[1:] if names[:1] in (["self"], ["cls"]) else names
    names += [f"*{given.vararg.arg}"] if given.vararg else []
    names += [each.arg for each in given.kwonlyargs]
    names += [f"**{given.kwarg.arg}"] if given.kwarg else []
    return ", ".join([*names[:_MOST_ARGUMENTS], "..."] if len(names) > _MOST_ARGUMENTS else names)


def _read_topics(tree: ast.Module, unit: Unit) -> Iterator[Record]:
    """Yield the language reference that ``help()`` shows: a dictionary from keyword to a text under a heading."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Dict):
            continue
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                title, _, rest = value.value.strip().partition("\n")
                yield Record(
                    DOCUMENT,
                    unit.path,
                    key.lineno,
                    native_id=f"topic:{key.value!s}",
                    title=title.replace('"', ""),
                    text=plain_text(rest),
                    family=family_of(str(key.value)),
                    domain=unit.domain,
                )


FORMATS = (
    Format("pydocs", read_docstrings, PydocsConfig, list_files=list_packages, says_domain=True, names_symbols=True),
)
