"""What a source format is: its reader, the names of its files, and how its large files are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.readers.config import ReaderConfig
from pipeline.readers.records import Record
from pipeline.readers.unit import SourceFile, Unit


class Part(NamedTuple):
    """A part of a file that one task reads: from, to, the number of its first line, its weight in bytes."""

    start: int
    end: int
    line: int
    size: int


def whole_file(file: SourceFile) -> Iterator[Part]:
    """Yield the file as one part."""
    yield Part(0, file.size, 1, file.size)


@dataclass(frozen=True)
class Format:
    """One source format.

    name              what a recipe calls it
    read              yields the records of a unit; of what it cannot read it yields rejects
    config            what a recipe says of it: ReaderConfig, or a class beside the reader with settings of its own
    suffixes          its files in a folder
    cut               yields the parts of a large file
    may_be_packed     whether .gz, .bz2 and .zst files are read too; readers open them with compression.open_unit
    says_domain       whether rows may say their domain
    list_files        yields its files where no path names them
    layout            of a folder with a fixed layout: the file of each role, {} for the split
    folder            what such a folder is called
    holds_judgements  whether its files say which document answers which query (with a layout: if there is a split)
    title_in_text     whether the title goes before the text where the recipe does not say
    names_symbols     whether links are names that are still to be resolved
    """

    name: str
    read: Callable[[Unit, Any], Iterator[Record]]
    config: type[ReaderConfig] = ReaderConfig
    suffixes: tuple[str, ...] = ()
    cut: Callable[[SourceFile], Iterator[Part]] = whole_file
    may_be_packed: bool = True
    says_domain: bool = False
    list_files: Callable[[Any], list[SourceFile]] | None = None
    layout: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    holds_judgements: bool = False
    title_in_text: bool = False
    names_symbols: bool = False
