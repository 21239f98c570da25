"""What a recipe says about a source of documents: a class a format, told apart by ``format``.

What all sources may say stands in :class:`SourceConfig`, what one format reads beside its reader; the class of a format
is made of both, so that a recipe cannot set what nobody would read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, GetJsonSchemaHandler, Tag, create_model
from pydantic_core import CoreSchema

from pipeline.ingest.clean.config import CleanConfig
from pipeline.locations import faults_of_domain, faults_of_name, faults_of_path, is_uri
from pipeline.readers.config import ReaderConfig
from pipeline.readers.registry import FORMATS
from schemas.config import setting
from schemas.errors import rule


class SourceConfig(ReaderConfig):
    """One source of documents, as far as its format does not matter."""

    domain: str | None = setting(None, "domain of all its documents; null = fields.domain, the package, or the name")
    license: str | None = setting(None, "licence of documents that state none")
    title_in_text: bool | None = setting(None, "put the title before the text; null = for beir only")
    limit: int | None = setting(None, "documents taken, drawn by hash of their family; null = all", low=1)
    limit_per_domain: int | None = setting(None, "the same for each domain", low=1)
    min_chars: int | None = setting(
        None, "shorter texts are dropped: too_short; null = 20, but not what a judgement or link points at", low=1
    )
    max_chars: int | None = setting(
        None, "longer texts are dropped: too_long; null = 100,000, but not what a judgement or link points at", low=1
    )
    clean: CleanConfig = setting(factory=CleanConfig, doc="repair, rules, languages and personal data; all off")

    @classmethod
    def explain_unknown(cls, key: str, value: Any) -> str | None:
        """Say so when a setting is one of other formats."""
        readers = [name for name, form in FORMATS.items() if key in form.config.model_fields]
        if not readers:
            return None
        own = next((name for name, kind in KINDS.items() if kind is cls), "it")
        return rule(key, f"left out for {own}, for it is read of {', '.join(readers)} alone", value)

    @property
    def with_title(self) -> bool:
        """Whether the title goes before the text."""
        return FORMATS[self.format].title_in_text if self.title_in_text is None else self.title_in_text

    @property
    def shortest(self) -> int:
        """Characters that a text must have, judged or linked ones aside where the recipe says nothing."""
        return 20 if self.min_chars is None else self.min_chars

    @property
    def longest(self) -> int:
        """Characters that a text may have, judged or linked ones aside where the recipe says nothing."""
        return 100_000 if self.max_chars is None else self.max_chars

    def faults(self) -> list[str]:
        """Require a path where the format is read from one, and none where it is not."""
        by_path = FORMATS[self.format].list_files is None
        if by_path == bool(self.path):
            return []
        must = f"set for {self.format}" if by_path else f"left out for {self.format}"
        return [rule("path", must, self.path, "" if by_path else "packages")]

    def faults_of_path(self) -> list[str]:
        """Require a path that can be one."""
        return faults_of_path("path", self.path)

    def faults_of_names(self) -> list[str]:
        """Require a name that is a level of a domain, for it is one where nothing else says the domain."""
        return faults_of_name("name", self.name) + (faults_of_domain("domain", self.domain) if self.domain else [])

    def faults_of_chars(self) -> list[str]:
        """Require limits in order."""
        if self.shortest <= self.longest:
            return []
        return [rule("min_chars", f"at most max_chars ({self.longest})", self.shortest)]


def _class_of(name: str) -> type[SourceConfig]:
    """Return the class of a format's sources, by whose name it can be imported in a worker."""
    config = FORMATS[name].config
    bases: Any = SourceConfig if config is ReaderConfig else (SourceConfig, config)
    its_format: Any = (Literal[name], setting(doc="how its files are read"))
    made: type[SourceConfig] = create_model(
        f"{name.capitalize()}Source", __base__=bases, __module__=__name__, __doc__=config.__doc__, format=its_format
    )
    return made


KINDS: Mapping[str, type[SourceConfig]] = {name: _class_of(name) for name in FORMATS}
"""The class of each format's sources."""
globals().update({kind.__name__: kind for kind in KINDS.values()})


class _AnyFormat(SourceConfig):
    """A source of no known format."""

    format: str = setting(doc="how its files are read", choices=tuple(FORMATS))

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema that nothing fits."""
        return {"not": {}}


# It takes the settings of all formats, so that its format alone is at fault.
_SPECIAL: dict[str, Any] = {name: (Any, None) for kind in KINDS.values() for name in kind.model_fields}
_UnknownSource = create_model(
    "_UnknownSource",
    __base__=_AnyFormat,
    __module__=__name__,
    **{name: field for name, field in _SPECIAL.items() if name not in SourceConfig.model_fields},
)


def _tell_format(given: Any) -> str:
    name = given.get("format") if isinstance(given, Mapping) else getattr(given, "format", None)
    return name if isinstance(name, str) and name in KINDS else ""


if TYPE_CHECKING:
    AnySource = SourceConfig
else:
    _TAGGED = [Annotated[kind, Tag(name)] for name, kind in {**KINDS, "": _UnknownSource}.items()]
    AnySource = Annotated[reduce(or_, _TAGGED), Discriminator(_tell_format)]


def make_source(**settings: Any) -> SourceConfig:
    """Return a source of its format's class. Raises: RecipeError with every fault."""
    return KINDS.get(_tell_format(settings), _UnknownSource).from_mapping(settings)


def resolve_sources(sources: Sequence[SourceConfig], folder: Path) -> tuple[SourceConfig, ...]:
    """Return the sources with relative paths taken from the recipe's folder."""
    return tuple(each.replace(path=resolve_path(each.path, folder)) if each.path else each for each in sources)


def resolve_path(path: str, folder: Path) -> str:
    """Return a path of a recipe as taken from its folder; a URI as it is."""
    is_whole = is_uri(path) or faults_of_path("", path)  # a path that can be none is told by the class it stands in
    return path if is_whole else str(folder / Path(path).expanduser())


def says_domains(source: SourceConfig) -> bool:
    """Return whether documents of the source may have a domain that the source says: by the recipe, or row by row."""
    return source.domain is not None or FORMATS[source.format].says_domain
