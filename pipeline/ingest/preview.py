"""The first rows of a source, read by its own reader: what somebody sees before a build is what ingest will see."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from pipeline.readers.config import ReaderConfig
from pipeline.readers.format import whole_file
from pipeline.readers.lines import cut_lines
from pipeline.readers.records import Record
from pipeline.readers.registry import FORMATS
from pipeline.readers.unit import ROLES, SourceFile, Unit

_FILES = 3


def read_first(source: ReaderConfig, files: Sequence[SourceFile], rows: int = 20) -> list[Record]:
    """Return the first records of the first files of a source, rejects among them; of each role some.

    Cost: what a reader takes to its first records; files of lines are not counted through.
    """
    form = FORMATS[source.format]
    found: list[Record] = []
    for role in ROLES:
        of_role = [file for file in files if file.role == role][:_FILES]
        for file in of_role:
            cut = whole_file if form.cut is cut_lines else form.cut
            start, end, line, size = next(iter(cut(file)))
            unit = Unit(source.name, file.role, file.path, file.location, file.domain, start, end, line, size)
            found += islice(form.read(unit, source), -(-rows // len(of_role)))
    return found
