"""Which files a source means, and the digest that tells whether they changed.

Paths are local, on a file system that every Spark worker mounts at the same place, or URIs that every worker reads by
itself (``s3://bucket/x/*.jsonl.gz``). A local file is told by its content; a remote one by what its store says of it
(checksum or ETag, else the time of its last change; and the size), so that a night without news reads nothing.
"""

from __future__ import annotations

import glob
import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath, PurePosixPath

from pipeline.ingest.remote_files import RemoteFile, list_remote
from pipeline.locations import is_uri, local_path, location_of
from pipeline.readers.compression import PACKED
from pipeline.readers.config import ReaderConfig, SplitConfig
from pipeline.readers.formats.markdown import MARKDOWN
from pipeline.readers.formats.text import TEXT
from pipeline.readers.registry import FORMATS
from pipeline.readers.unit import DOCUMENTS, SourceFile
from pipeline.text import one_line
from schemas.errors import RecipeError


def formats_in(path: str, way_out: str) -> list[str]:
    """Return the formats of the files at a path, by their names; a folder may hold several.

    ``way_out`` is what whoever asks can do where the names do not tell.

    Raises: RecipeError when there is no file of a known format, or a glob names several formats.
    """
    root = Path(path)
    for each in FORMATS.values():
        corpus = each.layout.get(DOCUMENTS)
        if corpus and any((root / (corpus + pack)).is_file() for pack in ("", *PACKED)):
            return [each.name]
    files, is_folder = (_remote_files if is_uri(path) else _local_files)(path, ("",))
    found = {_format_of(each.path) for each in files} - {None}
    if TEXT in found:
        found -= {MARKDOWN}  # its reader takes both
    formats = [name for name in FORMATS if name in found]
    if not formats:
        known = ", ".join(suffix for each in FORMATS.values() for suffix in each.suffixes)
        has = "" if files else ", which holds no file"
        raise RecipeError(f"PATH must name files of a known format ({known}), got {path!r}{has}; try {way_out}")
    if len(formats) > 1 and not is_folder:
        raise RecipeError(
            f"PATH must name files of one format, got {path!r} of {', '.join(formats)}; try {way_out}, or a folder"
        )
    return formats


def _format_of(name: str) -> str | None:
    plain = name.lower()
    packing = next((pack for pack in PACKED if plain.endswith(pack)), "")
    plain = plain.removesuffix(packing)
    kinds = [
        each.name
        for each in FORMATS.values()
        if each.suffixes and plain.endswith(each.suffixes) and (each.may_be_packed or not packing)
    ]
    return MARKDOWN if MARKDOWN in kinds else next(iter(kinds), None)


def list_files(source: ReaderConfig) -> list[SourceFile]:
    """Return the files of a source, in order of their paths.

    Raises: RecipeError when the path, a package or a file of a BEIR folder is missing, or nothing fits the format.
    """
    form = FORMATS[source.format]
    if form.list_files:
        return form.list_files(source)
    return _layout_files(source) if form.layout else _matching_files(source)


def _matching_files(source: ReaderConfig) -> list[SourceFile]:
    form = FORMATS[source.format]
    packed = tuple(name + pack for name in form.suffixes for pack in PACKED) if form.may_be_packed else ()
    found, is_folder = (_remote_files if is_uri(source.path) else _local_files)(source.path, (*form.suffixes, *packed))
    if not found:
        kinds = ", ".join(form.suffixes) + (f", plain or packed ({', '.join(PACKED)})" if packed else "")
        hint = f"holds no file ending in {kinds}" if is_folder else "does not exist"
        raise RecipeError(f"sources.{source.name}.path must name readable files, got {source.path!r}, which {hint}")
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
    names = _printable_names([path.relative_to(base).as_posix() for path in found])
    return [_file(name, path) for name, path in zip(names, found, strict=True)], root.is_dir()


def _remote_files(uri: str, suffixes: tuple[str, ...]) -> tuple[list[SourceFile], bool]:
    found, is_folder = list_remote(uri)
    wanted = [file for file in found if not is_folder or _wanted(PurePosixPath(file.path), suffixes)]
    names = _printable_names([file.path for file in wanted])
    return [_remote_file(file, name) for file, name in zip(wanted, names, strict=True)], is_folder


def _layout_files(source: ReaderConfig) -> list[SourceFile]:
    """Return the files of a folder of a fixed layout; queries and qrels only with a split."""
    form, split = FORMATS[source.format], source.split if isinstance(source, SplitConfig) else None
    there = {file.path: file for file in list_remote(source.path)[0]} if is_uri(source.path) else None
    found, missing, root = [], [], Path(source.path)
    for role, pattern in form.layout.items():
        if role != DOCUMENTS and split is None:
            continue
        plain = pattern.format(split)
        names = [plain, *(plain + pack for pack in PACKED)]
        if there is None:
            here = [_file(name, root / name, role) for name in names if (root / name).is_file()]
        else:
            here = [_remote_file(there[name], name, role) for name in names if name in there]
        found += here[:1]
        missing += [] if here else [plain]
    if missing:
        way_out = "check the path and the split" if there or root.is_dir() else "check the path"
        must = f"sources.{source.name}.path must be {form.folder}, got {source.path!r} without {', '.join(missing)}"
        raise RecipeError(f"{must}; try to {way_out}")
    return found


def digest_source(source: ReaderConfig) -> str:
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
    with open(local_path(location), "rb", buffering=0) as handle:  # noqa: PTH123 -- Path.open costs as much as hashing a small file
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _wanted(path: PurePath, suffixes: tuple[str, ...]) -> bool:
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    return not hidden and path.name.lower().endswith(suffixes)


def _file(path: str, location: Path, role: str = DOCUMENTS) -> SourceFile:
    return SourceFile(path, location_of(location), location.stat().st_size, role)


def _remote_file(file: RemoteFile, path: str, role: str = DOCUMENTS) -> SourceFile:
    return SourceFile(path, file.location, file.size, role, identity=file.identity)


def _printable_names(names: Sequence[str]) -> list[str]:
    """Return what tables and people see of file names: one line, printable, and two names stay two.

    Bytes that are no UTF-8, control and invisible characters are escaped as Python writes them, and a backslash is
    doubled. Spaces and accents are written in one way only (NFC), as everywhere, but where another file has that name.
    """
    plain = [_escape(name, lambda char: char == "\\" or not char.isprintable()) for name in names]
    shown = [one_line(unicodedata.normalize("NFC", name)) for name in plain]
    counts = Counter(shown)
    return [
        each if counts[each] == 1 or each == name else _escape(name, lambda char: char == " " or not char.isascii())
        for name, each in zip(plain, shown, strict=True)
    ]


def _escape(name: str, is_odd: Callable[[str], bool]) -> str:
    return "".join(_escaped(char) if is_odd(char) else char for char in name)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # what Python makes of a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if char == "\\":
        return "\\\\"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
