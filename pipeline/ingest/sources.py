"""What a recipe says about a source, which files that means, and the digest that tells whether they changed.

Paths are local or on a file system that every Spark worker mounts at the same place.
"""

from __future__ import annotations

import codecs
import dataclasses
import glob
import hashlib
import os
import sysconfig
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from schemas.config import Config, setting
from schemas.errors import RecipeError

PYDOCS, JSONL, PARQUET, TEXT, BEIR = FORMATS = ("pydocs", "jsonl", "parquet", "text", "beir")
FIELDS = ("id", "title", "text", "domain", "license", "links", "family")
STDLIB = "stdlib"
_SUFFIXES = {
    JSONL: (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"),
    PARQUET: (".parquet",),
    TEXT: (".txt", ".text", ".md", ".markdown", ".rst"),
}
_OURS = frozenset({"schemas", "pipeline", "jobs", "trainer"})
_NEVER = frozenset({"__pycache__", "site-packages", "dist-packages"})


@dataclass(frozen=True)
class SourceConfig(Config):
    """One source of documents."""

    name: str = setting(doc="name of the source; unique in the recipe")
    format: str = setting(doc="how its files are read", choices=FORMATS)
    path: str = setting("", "file, folder or glob, relative to the recipe; not for pydocs")
    packages: tuple[str, ...] = setting(("*",), "pydocs: top-level packages; stdlib; * = all that is installed")
    exclude: tuple[str, ...] = setting(
        ("tests", "test", "idle_test"), "pydocs: folders not read; their docstrings tell of bugs, not of use")
    min_docstring: int = setting(120, "pydocs: characters that make a docstring a document", low=1)
    signature: bool = setting(True, "pydocs: the text begins with the symbol's name and its arguments")
    fields: dict[str, str] = setting(
        factory=dict, doc="jsonl, parquet: your names of " + ", ".join(FIELDS) + "; default: the same names")
    encoding: str = setting("utf-8", "jsonl, text: encoding of the files; one that extends ASCII")
    domain: str | None = setting(None, "domain of all its documents; null = fields.domain, the package, or the name")
    license: str | None = setting(None, "licence of documents that state none")
    title_in_text: bool | None = setting(None, "put the title before the text; null = for beir only")
    split: str | None = setting("train", "beir: qrels/<split>.tsv gives the positives; null = none")
    limit: int | None = setting(None, "documents taken, drawn by hash of their family; null = all", low=1)
    limit_per_domain: int | None = setting(None, "the same for each domain", low=1)
    min_chars: int = setting(20, "shorter texts are dropped: too_short", low=1)
    max_chars: int = setting(100_000, "longer texts are dropped: too_long", low=1)
    max_bytes: int = setting(8 << 20, "larger lines and text files are rejected unread: too_large", low=1 << 10)

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
            for key, value in self.fields.items() if key not in FIELDS or not isinstance(value, str) or not value
        ]
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


def resolve_sources(sources: Sequence[SourceConfig], folder: Path) -> tuple[SourceConfig, ...]:
    """Return the sources with relative paths taken from the recipe's folder."""
    return tuple(
        dataclasses.replace(each, path=str(folder / Path(each.path).expanduser())) if each.path else each
        for each in sources
    )


def list_files(source: SourceConfig) -> list[SourceFile]:
    """Return the files of a source, in order of their paths.

    Raises: RecipeError when the path, a package or a file of a BEIR folder is missing, or nothing fits the format.
    """
    if source.format == PYDOCS:
        return _python_files(source)
    if source.format == BEIR:
        return beir_files(Path(source.path), source.split, f"sources.{source.name}")
    root = Path(source.path)
    if root.is_dir():
        found = [path for path in sorted(root.rglob("*")) if _wanted(path, root, _SUFFIXES[source.format])]
        base = root
    else:
        matches = [str(root)] if root.is_file() else sorted(glob.glob(source.path, recursive=True))  # noqa: PTH207
        found = [path for path in map(Path, matches) if path.is_file()]
        base = Path(os.path.commonpath([path.parent for path in found])) if found else root
    if not found:
        kinds = ", ".join(_SUFFIXES[source.format])
        hint = f"holds no file ending in {kinds}" if root.is_dir() else "does not exist"
        raise RecipeError(f"sources.{source.name}.path must name readable files, got {source.path!r}, which {hint}")
    return [_file(path.relative_to(base).as_posix(), path) for path in found]


def beir_files(root: Path, split: str | None, where: str) -> list[SourceFile]:
    """Return corpus, queries and qrels of a BEIR folder; the last two only with a split.

    Raises: RecipeError that names every missing file.
    """
    wanted = [("documents", "corpus.jsonl")]
    if split is not None:
        wanted += [("queries", "queries.jsonl"), ("qrels", f"qrels/{split}.tsv")]
    found, missing = [], []
    for role, name in wanted:
        plain = root / name
        path = plain if plain.is_file() else plain.with_name(plain.name + ".gz")
        if path.is_file():
            found.append(_file(path.relative_to(root).as_posix(), path, role))
        else:
            missing.append(name)
    if missing:
        way_out = "check the path and the split" if root.is_dir() else "check the path"
        lacks = ", ".join(missing)
        raise RecipeError(f"{where}.path must be a BEIR folder, got {str(root)!r} without {lacks}; try to {way_out}")
    return found


def digest_source(source: SourceConfig) -> str:
    """Return a digest of names and contents of the source's files.

    Cost: reads every byte; about 1 s for the 24,000 files (290 MB) of the full pydocs when they are cached.
    """
    return digest_files(list_files(source))


def digest_files(files: Sequence[SourceFile]) -> str:
    """Return a digest of names and contents of files."""
    with ThreadPoolExecutor(4) as pool:
        digests = pool.map(lambda file: _digest_file(file.location), files, chunksize=64)
        lines = [f"{file.role} {file.path} {digest}" for file, digest in zip(files, digests, strict=True)]
    return hashlib.blake2b("\n".join(sorted(lines)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _digest_file(location: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(location, "rb", buffering=0) as handle:  # noqa: PTH123 -- Path.open costs as much as hashing a small file
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _python_files(source: SourceConfig) -> list[SourceFile]:
    places = {STDLIB: Path(sysconfig.get_paths()["stdlib"]), **_installed()}
    if "*" in source.packages:
        chosen = sorted(places)
    else:
        chosen = sorted(set(source.packages))
        missing = [name for name in chosen if name not in places]
        if missing or not chosen:
            got = ", ".join(missing) or "none"
            raise RecipeError(f"sources.{source.name}.packages must be installed beside pairwright, got {got}; "
                              "try the name that is imported, stdlib or *")
    return [
        SourceFile(f"{name}/{path}" if name == STDLIB else path, location, size, domain=name)
        for name in chosen
        for path, location, size in _walk_python(places[name], name, frozenset(source.exclude))
    ]


def _installed() -> dict[str, Path]:
    """Return the importable top-level names beside pairwright, and where they are."""
    paths = sysconfig.get_paths()
    found: dict[str, Path] = {}
    for home in (Path(paths["platlib"]), Path(paths["purelib"])):
        for entry in home.iterdir() if home.is_dir() else ():
            name = entry.name.removesuffix(".py") if entry.is_file() else entry.name
            is_python = entry.is_dir() or entry.suffix == ".py"
            if is_python and name.isidentifier() and not name.startswith("__") and name not in _OURS:
                found[name] = entry
    return found


def _walk_python(place: Path, name: str, exclude: frozenset[str]) -> Iterator[tuple[str, str, int]]:
    if place.is_file():
        yield place.name, str(place), place.stat().st_size
        return
    base = str(place) if name == STDLIB else str(place.parent)
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(each for each in folders if each not in exclude and each not in _NEVER)
        for file in sorted(files):
            # A test module beside the code is a test all the same, unless tests are wanted.
            is_test = "tests" in exclude and (file.startswith("test_") or file == "conftest.py")
            if file.endswith(".py") and not is_test:
                location = os.path.join(folder, file)  # noqa: PTH118 -- 24,000 times
                yield os.path.relpath(location, base), location, os.stat(location).st_size  # noqa: PTH116


def _wanted(path: Path, root: Path, suffixes: tuple[str, ...]) -> bool:
    hidden = any(part.startswith((".", "_")) for part in path.relative_to(root).parts)
    return not hidden and path.name.lower().endswith(suffixes) and path.is_file()


def _file(path: str, location: Path, role: str = "documents") -> SourceFile:
    return SourceFile(path, str(location.resolve()), location.stat().st_size, role)


def _extends_ascii(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding) is not None and "{\n".encode(encoding) == b"{\n"
    except (LookupError, UnicodeError, ValueError):
        return False
