"""What a recipe says about how the files of a source are read."""

from __future__ import annotations

import codecs

from schemas.config import Config, setting

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
    delimiter: str = setting(",", "csv: what parts the columns")
    encoding: str = setting("utf-8", "files of lines, json and text: their encoding; one that extends ASCII")
    split: str | None = setting("train", "beir, msmarco: the qrels that give the positives; null = none")
    max_bytes: int = setting(8 << 20, "larger lines and text files are rejected unread: too_large", low=1 << 10)
    max_unpacked: int = setting(
        256 << 20, "packed files that unpack to more bytes and to 100 times their size are bombs", low=1 << 20
    )
    max_seconds: float = setting(30.0, "a page, PDF page or row that takes longer is rejected: too_slow", low=0.1)

    def faults(self) -> list[str]:
        """Return what is wrong with the fields, the delimiter, the columns and the encoding."""
        found = [
            f"fields.{key} must be one of {', '.join(FIELDS)} on the left, your name on the right, got {key}: {value!r}"
            for key, value in self.fields.items()
            if key not in FIELDS or not isinstance(value, str) or not value
        ]
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n':
            found.append(f"delimiter must be one ASCII character but no quote, got {self.delimiter!r}")
        if len(set(self.columns)) < len(self.columns):
            found.append(f"columns must have names of their own, got {', '.join(self.columns)}")
        if not _extends_ascii(self.encoding):
            found.append(f"encoding must be known and extend ASCII, got {self.encoding!r}; try converting to utf-8")
        return found


def _extends_ascii(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding) is not None and "{\n".encode(encoding) == b"{\n"
    except (LookupError, UnicodeError, ValueError):
        return False
