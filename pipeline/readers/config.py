"""What a recipe says about how the files of a source are read."""

from __future__ import annotations

import codecs

from pipeline.locations import faults_of_name
from schemas.config import Config, setting
from schemas.errors import rule
from schemas.nearest import find_nearest

FIELDS = ("id", "title", "text", "domain", "license", "links", "family")


class ReaderConfig(Config):
    """The settings that readers know."""

    name: str = setting(doc="name of the source; unique in the recipe")
    format: str = setting(doc="how its files are read")
    path: str = setting("", "file, folder or glob, relative to the recipe, or a URI as s3://bucket/*; not for pydocs")
    packages: tuple[str, ...] = setting(("*",), "pydocs: top-level packages; stdlib; * = all that is installed")
    exclude: tuple[str, ...] = setting(
        ("tests", "test", "idle_test"), "pydocs: folders not read; their docstrings tell of bugs, not of use"
    )
    min_docstring: int = setting(120, "pydocs: characters that make a docstring a document", low=1)
    signature: bool = setting(True, "pydocs: the text begins with the symbol's name and its arguments")
    fields: dict[str, str] = setting(
        factory=dict,
        doc="jsonl, json, csv, tsv, parquet: your names of " + ", ".join(FIELDS) + "; default: the same names",
    )
    items: str = setting("", "json: where the array is in the object, as in response.docs; empty = the file is one")
    columns: tuple[str, ...] = setting((), "csv, tsv: names of the columns, for files without a header row")
    delimiter: str | None = setting(None, "csv: what parts the columns; null = found: comma, semicolon, tab or pipe")
    encoding: str = setting("utf-8", "files of lines, json and text: their encoding; one that extends ASCII")
    split: str | None = setting("train", "beir, msmarco: the qrels that give the positives; null = none")
    max_bytes: int = setting(8 << 20, "larger lines and text files are rejected unread: too_large", low=1 << 10)
    max_unpacked: int = setting(
        256 << 20, "packed files that unpack to more bytes and to 100 times their size are bombs", low=1 << 20
    )
    max_seconds: float = setting(30.0, "a page, PDF page or row that takes longer is rejected: too_slow", low=0.1)

    def faults_of_fields(self) -> list[str]:
        """Require our names on the left, theirs on the right; what is meant is asked where the two are swapped."""
        found = []
        for key, value in self.fields.items():
            if key not in FIELDS or not value:
                must_be = f"one of {', '.join(FIELDS)} on the left, your name on the right"
                swapped = f"{value}: {key}" if value in FIELDS else None
                found.append(rule(f"fields.{key}", must_be, f"{key}: {value}", meant=swapped or _meant_field(key)))
        return found

    def faults_of_delimiter(self) -> list[str]:
        """Require one character that no quoted cell can begin with."""
        found = self.delimiter
        if found is None or (len(found) == 1 and found.isascii() and found not in '"\r\n\0'):
            return []
        return [rule("delimiter", "one ASCII character but no quote", self.delimiter, '";", "|", or "\\t" for a tab')]

    def faults_of_columns(self) -> list[str]:
        """Require columns that can be told apart."""
        if len(set(self.columns)) == len(self.columns):
            return []
        return [f"columns must have names of their own, got {', '.join(self.columns)}"]

    def faults_of_encoding(self) -> list[str]:
        """Require an encoding that keeps line breaks."""
        if _extends_ascii(self.encoding):
            return []
        return [rule("encoding", "known and extend ASCII", self.encoding, "converting to utf-8")]

    def faults_of_split(self) -> list[str]:
        """Require a split that names a file of its folder."""
        return [] if self.split is None else faults_of_name("split", self.split)


def _meant_field(key: str) -> str | None:
    return None if key in FIELDS else find_nearest(key, FIELDS)


def _extends_ascii(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding) is not None and "{\n".encode(encoding) == b"{\n"
    except (LookupError, UnicodeError, ValueError):
        return False
