"""What a recipe says about a source, which files that means, and the digest that tells whether they changed.

Paths are local, on a file system that every Spark worker mounts at the same place, or URIs that every worker reads by
itself (``s3://bucket/x/*.jsonl.gz``). A local file is told by its content; a remote one by what its store says of it
(checksum or ETag, else the time of its last change; and the size), so that a night without news reads nothing.
"""

from __future__ import annotations

import codecs
import dataclasses
import glob
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from pipeline.ingest.clean.rules import CleanConfig
from pipeline.ingest.remote_files import RemoteFile, list_remote
from pipeline.locations import is_uri
from pipeline.readers.pydocs.packages import python_files
from schemas.config import Config, setting
from schemas.errors import RecipeError

FORMATS = PYDOCS, JSONL, PARQUET, TEXT, BEIR, JSON, CSV, TSV, MARKDOWN, MSMARCO, SQUAD, HTML, WARC, PDF = (
    "pydocs",
    "jsonl",
    "parquet",
    "text",
    "beir",
    "json",
    "csv",
    "tsv",
    "markdown",
    "msmarco",
    "squad",
    "html",
    "warc",
    "pdf",
)
FIELDS = ("id", "title", "text", "domain", "license", "links", "family")
PACKED = (".gz", ".bz2", ".zst")
_SUFFIXES = {
    JSONL: (".jsonl", ".ndjson"),
    JSON: (".json",),
    SQUAD: (".json",),
    CSV: (".csv",),
    TSV: (".tsv", ".tab"),
    PARQUET: (".parquet",),
    TEXT: (".txt", ".text", ".md", ".markdown", ".rst"),
    MARKDOWN: (".md", ".markdown", ".mdx"),
    HTML: (".html", ".htm", ".xhtml"),
    WARC: (".warc", ".wet"),
    PDF: (".pdf",),
}
_NEVER_PACKED = frozenset({PARQUET, TEXT, MARKDOWN, HTML, PDF})
# Folders of a fixed layout: the files of each role, {} for the split.
_LAYOUTS = {
    BEIR: {"documents": "corpus.jsonl", "queries": "queries.jsonl", "qrels": "qrels/{}.tsv"},
    MSMARCO: {"documents": "collection.tsv", "queries": "queries.{}.tsv", "qrels": "qrels.{}.tsv"},
}
_FOLDERS = {BEIR: "a BEIR folder", MSMARCO: "an MS MARCO folder"}


@dataclass(frozen=True)
class SourceConfig(Config):
    """One source of documents."""

    name: str = setting(doc="name of the source; unique in the recipe")
    format: str = setting(doc="how its files are read", choices=FORMATS)
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
    domain: str | None = setting(None, "domain of all its documents; null = fields.domain, the package, or the name")
    license: str | None = setting(None, "licence of documents that state none")
    title_in_text: bool | None = setting(None, "put the title before the text; null = for beir only")
    split: str | None = setting("train", "beir, msmarco: the qrels that give the positives; null = none")
    limit: int | None = setting(None, "documents taken, drawn by hash of their family; null = all", low=1)
    limit_per_domain: int | None = setting(None, "the same for each domain", low=1)
    min_chars: int = setting(20, "shorter texts are dropped: too_short", low=1)
    max_chars: int = setting(100_000, "longer texts are dropped: too_long", low=1)
    max_bytes: int = setting(8 << 20, "larger lines and text files are rejected unread: too_large", low=1 << 10)
    max_unpacked: int = setting(
        256 << 20, "packed files that unpack to more bytes and to 100 times their size are bombs", low=1 << 20
    )
    clean: CleanConfig = setting(factory=CleanConfig, doc="repair, rules, languages and personal data; all off")

    @property
    def with_title(self) -> bool:
        """Whether the title goes before the text."""
        return self.format == BEIR if self.title_in_text is None else self.title_in_text

    def faults(self) -> list[str]:
        """Path where the format needs one, known fields, an encoding that keeps line breaks, limits in order."""
        found = []
        if (self.format == PYDOCS) == bool(self.path):
            must = "left out for pydocs; try packages" if self.format == PYDOCS else f"set for {self.format}"
            found.append(f"path must be {must}, got {self.path!r}")
        found += [
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
        if self.min_chars > self.max_chars:
            found.append(f"min_chars must be at most max_chars ({self.max_chars}), got {self.min_chars}")
        return found


@dataclass(frozen=True)
class SourceFile:
    """One file of a source; ``role`` is documents, queries or qrels."""

    path: str
    location: str
    size: int
    role: str = "documents"
    domain: str | None = None
    identity: str | None = None  # of a remote file: what its store tells it by


def resolve_sources(sources: Sequence[SourceConfig], folder: Path) -> tuple[SourceConfig, ...]:
    """Return the sources with relative paths taken from the recipe's folder."""
    return tuple(
        dataclasses.replace(each, path=resolve_path(each.path, folder)) if each.path else each for each in sources
    )


def resolve_path(path: str, folder: Path) -> str:
    """Return a path of a recipe as taken from its folder; a URI as it is."""
    return path if is_uri(path) else str(folder / Path(path).expanduser())


def says_domains(source: SourceConfig) -> bool:
    """Return whether documents of the source may have a domain that the source says: by the recipe, or row by row."""
    return source.domain is not None or source.format in (PYDOCS, JSONL, JSON, CSV, TSV, PARQUET, BEIR)


def formats_in(path: str) -> list[str]:
    """Return the formats of the files at a path, by their names; a folder may hold several.

    Raises: RecipeError when there is no file of a known format, or a glob names several formats.
    """
    root = Path(path)
    for layout, roles in _LAYOUTS.items():
        if any((root / (roles["documents"] + pack)).is_file() for pack in ("", *PACKED)):
            return [layout]
    files, is_folder = (_remote_files if is_uri(path) else _local_files)(path, ("",))
    found = {_format_of(each.path) for each in files} - {None}
    if TEXT in found:
        found -= {MARKDOWN}  # its reader takes both
    formats = [each for each in FORMATS if each in found]
    if not formats:
        raise RecipeError(f"PATH must name files of a known format, got {path!r}; try --format {'|'.join(_SUFFIXES)}")
    if len(formats) > 1 and not is_folder:
        raise RecipeError(
            f"PATH must name files of one format, got {path!r} of {', '.join(formats)}; try --format, or a folder"
        )
    return formats


def _format_of(name: str) -> str | None:
    plain = name.lower()
    packing = next((pack for pack in PACKED if plain.endswith(pack)), "")
    plain = plain.removesuffix(packing)
    kinds = [kind for kind, suffixes in _SUFFIXES.items() if plain.endswith(suffixes)]
    if packing:
        kinds = [kind for kind in kinds if kind not in _NEVER_PACKED]
    return MARKDOWN if MARKDOWN in kinds else next(iter(kinds), None)


def list_files(source: SourceConfig) -> list[SourceFile]:
    """Return the files of a source, in order of their paths.

    Raises: RecipeError when the path, a package or a file of a BEIR folder is missing, or nothing fits the format.
    """
    where = f"sources.{source.name}"
    if source.format == PYDOCS:
        found = python_files(source.packages, source.exclude, where)
        return [SourceFile(each.path, each.location, each.size, domain=each.package) for each in found]
    if source.format in _LAYOUTS:
        return _layout_files(source, where)
    return _matching_files(source, where)


def _matching_files(source: SourceConfig, where: str) -> list[SourceFile]:
    plain = _SUFFIXES[source.format]
    packed = () if source.format in _NEVER_PACKED else tuple(name + pack for name in plain for pack in PACKED)
    found, is_folder = (_remote_files if is_uri(source.path) else _local_files)(source.path, (*plain, *packed))
    if not found:
        kinds = ", ".join(plain) + (f", plain or packed ({', '.join(PACKED)})" if packed else "")
        hint = f"holds no file ending in {kinds}" if is_folder else "does not exist"
        raise RecipeError(f"{where}.path must name readable files, got {source.path!r}, which {hint}")
    return found


def _local_files(place: str, suffixes: tuple[str, ...]) -> tuple[list[SourceFile], bool]:
    """Return the files of a path, those of a folder by their suffixes, and whether it is a folder."""
    root = Path(place)
    if root.is_dir():
        there = sorted(root.rglob("*"))
        found = [path for path in there if _wanted(path.relative_to(root), suffixes) and path.is_file()]
        base = root
    else:
        matches = [str(root)] if root.is_file() else sorted(glob.glob(place, recursive=True))  # noqa: PTH207
        found = [path for path in map(Path, matches) if path.is_file()]
        base = Path(os.path.commonpath([path.parent for path in found])) if found else root
    return [_file(path.relative_to(base).as_posix(), path) for path in found], root.is_dir()


def _remote_files(uri: str, suffixes: tuple[str, ...]) -> tuple[list[SourceFile], bool]:
    found, is_folder = list_remote(uri)
    wanted = [file for file in found if not is_folder or _wanted(PurePosixPath(file.path), suffixes)]
    return [_remote_file(file) for file in wanted], is_folder


def _layout_files(source: SourceConfig, where: str) -> list[SourceFile]:
    """Return the files of a folder of a fixed layout; queries and qrels only with a split."""
    there = {file.path: file for file in list_remote(source.path)[0]} if is_uri(source.path) else None
    found, missing, root = [], [], Path(source.path)
    for role, pattern in _LAYOUTS[source.format].items():
        if role != "documents" and source.split is None:
            continue
        plain = pattern.format(source.split)
        names = [plain, *(plain + pack for pack in PACKED)]
        if there is None:
            here = [_file(name, root / name, role) for name in names if (root / name).is_file()]
        else:
            here = [_remote_file(there[name], role) for name in names if name in there]
        found += here[:1]
        missing += [] if here else [plain]
    if missing:
        way_out = "check the path and the split" if there or root.is_dir() else "check the path"
        must = f"{where}.path must be {_FOLDERS[source.format]}, got {source.path!r} without {', '.join(missing)}"
        raise RecipeError(f"{must}; try to {way_out}")
    return found


def digest_source(source: SourceConfig) -> str:
    """Return a digest of names and contents of the source's files.

    Cost: reads every byte of local files: 1 s for the 24,000 files (290 MB) of the full pydocs when they are cached.
    """
    return digest_files(list_files(source))


def digest_files(files: Sequence[SourceFile]) -> str:
    """Return a digest of names and contents of files."""
    with ThreadPoolExecutor(4) as pool:
        digests = pool.map(lambda file: file.identity or _digest_file(file.location), files, chunksize=64)
        lines = [f"{file.role} {file.path} {digest}" for file, digest in zip(files, digests, strict=True)]
    return hashlib.blake2b("\n".join(sorted(lines)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _digest_file(location: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(location, "rb", buffering=0) as handle:  # noqa: PTH123 -- Path.open costs as much as hashing a small file
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _wanted(path: PurePath, suffixes: tuple[str, ...]) -> bool:
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    return not hidden and path.name.lower().endswith(suffixes)


def _file(path: str, location: Path, role: str = "documents") -> SourceFile:
    return SourceFile(path, str(location.resolve()), location.stat().st_size, role)


def _remote_file(file: RemoteFile, role: str = "documents") -> SourceFile:
    return SourceFile(file.path, file.location, file.size, role, identity=file.identity)


def _extends_ascii(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding) is not None and "{\n".encode(encoding) == b"{\n"
    except (LookupError, UnicodeError, ValueError):
        return False
