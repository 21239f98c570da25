"""What a recipe says about how the files of a source are read."""

from __future__ import annotations

import codecs

from pipeline.locations import faults_of_name
from schemas.config import Config, setting
from schemas.errors import rule
from schemas.nearest import find_nearest

FIELDS = ("id", "title", "text", "domain", "license", "links", "family")


class ReaderConfig(Config):
    """What every format reads: the other settings of a format stand in a class of its own, beside its reader."""

    name: str = setting(doc="name of the source; unique in the recipe")
    format: str = setting(doc="how its files are read")
    path: str = setting("", "file, folder or glob, relative to the recipe, or a URI as s3://bucket/*; not for pydocs")
    max_bytes: int = setting(8 << 20, "larger lines and text files are rejected unread: too_large", low=1 << 10)
    max_unpacked: int = setting(
        256 << 20, "packed files that unpack to more bytes and to 100 times their size are bombs", low=1 << 20
    )
    max_seconds: float = setting(30.0, "a page, PDF page or row that takes longer is rejected: too_slow", low=0.1)


class EncodedConfig(ReaderConfig):
    """Files of plain text."""

    encoding: str = setting("utf-8", "encoding of the files; one that extends ASCII")

    def faults_of_encoding(self) -> list[str]:
        """Require an encoding that keeps line breaks."""
        if _extends_ascii(self.encoding):
            return []
        return [rule("encoding", "known and extend ASCII", self.encoding, "converting to utf-8")]


class FieldsConfig(ReaderConfig):
    """Rows with names of the user's own."""

    fields: dict[str, str] = setting(
        factory=dict, doc="your names of " + ", ".join(FIELDS) + "; default: the same names"
    )

    def faults_of_fields(self) -> list[str]:
        """Require our names on the left, theirs on the right; what is meant is asked where the two are swapped."""
        found = []
        for key, value in self.fields.items():
            if key not in FIELDS or not value:
                must_be = f"one of {', '.join(FIELDS)} on the left, your name on the right"
                swapped = f"{value}: {key}" if value in FIELDS else None
                found.append(rule(f"fields.{key}", must_be, f"{key}: {value}", meant=swapped or _meant_field(key)))
        return found


class RowsConfig(FieldsConfig, EncodedConfig):
    """Rows in files of plain text."""


class SplitConfig(ReaderConfig):
    """Folders of a fixed layout, with judgements."""

    split: str | None = setting("train", "the qrels that give the positives; null = none")

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
