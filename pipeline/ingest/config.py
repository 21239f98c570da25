"""What a recipe says about a source of documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.ingest.clean.rules import CleanConfig
from pipeline.locations import is_uri
from pipeline.readers.config import ReaderConfig
from pipeline.readers.registry import FORMATS
from schemas.config import setting


class SourceConfig(ReaderConfig):
    """One source of documents."""

    format: str = setting(doc="how its files are read", choices=tuple(FORMATS))
    domain: str | None = setting(None, "domain of all its documents; null = fields.domain, the package, or the name")
    license: str | None = setting(None, "licence of documents that state none")
    title_in_text: bool | None = setting(None, "put the title before the text; null = for beir only")
    limit: int | None = setting(None, "documents taken, drawn by hash of their family; null = all", low=1)
    limit_per_domain: int | None = setting(None, "the same for each domain", low=1)
    min_chars: int = setting(20, "shorter texts are dropped: too_short", low=1)
    max_chars: int = setting(100_000, "longer texts are dropped: too_long", low=1)
    clean: CleanConfig = setting(factory=CleanConfig, doc="repair, rules, languages and personal data; all off")

    @property
    def with_title(self) -> bool:
        """Whether the title goes before the text."""
        return FORMATS[self.format].title_in_text if self.title_in_text is None else self.title_in_text

    def faults(self) -> list[str]:
        """Path where the format needs one, what readers must know, limits in order."""
        found = []
        by_path = self.format not in FORMATS or FORMATS[self.format].list_files is None
        if by_path != bool(self.path):
            must = f"set for {self.format}" if by_path else f"left out for {self.format}; try packages"
            found.append(f"path must be {must}, got {self.path!r}")
        found += super().faults()
        if self.min_chars > self.max_chars:
            found.append(f"min_chars must be at most max_chars ({self.max_chars}), got {self.min_chars}")
        return found


def resolve_sources(sources: Sequence[SourceConfig], folder: Path) -> tuple[SourceConfig, ...]:
    """Return the sources with relative paths taken from the recipe's folder."""
    return tuple(each.replace(path=resolve_path(each.path, folder)) if each.path else each for each in sources)


def resolve_path(path: str, folder: Path) -> str:
    """Return a path of a recipe as taken from its folder; a URI as it is."""
    return path if is_uri(path) else str(folder / Path(path).expanduser())


def says_domains(source: SourceConfig) -> bool:
    """Return whether documents of the source may have a domain that the source says: by the recipe, or row by row."""
    return source.domain is not None or FORMATS[source.format].says_domain
