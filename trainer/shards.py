"""The published dataset as the trainer reads it: checked against its manifest, one planned batch at a time.

A batch is a Parquet row group, so a batch is read without its neighbours and no more than one is held in memory. The
order of the batches is a function of (seed, epoch) alone, which is what lets a run continue at the exact batch. Paths
are whatever pyarrow opens: local, ``s3://`` (and Hadoop's ``s3a://``), ``hdfs://``, ``gs://``.

Known weakness: every shard of a stage is read once in full for its checksum before the first step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from schemas.errors import RecipeError, ShardError
from schemas.names import is_plain_path
from schemas.shards import NATIVE_IDS

_CHUNK = 1 << 22
# What is read of a row. Other columns, older ones or newer, are none of the trainer's business.
_COLUMNS = (
    "position",
    "example_id",
    "query_id",
    "query",
    "positive_id",
    "positive",
    "negative_ids",
    "negatives",
    "positive_teacher",
    "negative_teacher",
    "known_ids",
    "domain",
    "task",
    "rule",
)


@dataclass(frozen=True)
class Example:
    """One training row: a query, its positive, its negatives (hardest first) and what may not stand against it."""

    example_id: str
    query_id: str
    query: str
    positive_id: str
    positive: str
    negative_ids: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    positive_teacher: float | None = None
    negative_teacher: tuple[float, ...] = ()
    known_ids: frozenset[str] = frozenset()
    domain: str = ""
    task: str = ""
    rule: str = ""
    query_native_id: str | None = None  # what sources call query and documents, where they say it
    positive_native_id: str | None = None
    negative_native_ids: tuple[str | None, ...] = ()

    def usable(self) -> list[int]:
        """Return the numbers of the negatives that are neither known to answer the query nor the query itself."""
        numbered = enumerate(zip(self.negative_ids, self.negatives, strict=True))
        return [number for number, (doc_id, text) in numbered if self.may_oppose(doc_id, text)]

    def may_oppose(self, doc_id: str, text: str) -> bool:
        """Say whether a document may stand as a negative against the query."""
        is_known = doc_id in self.known_ids or doc_id in (self.positive_id, self.query_id)
        return not is_known and text not in (self.positive, self.query)


@dataclass(frozen=True)
class RowGroup:
    """Where one planned batch lies: file, row group in it, rows."""

    path: str
    group: int
    rows: int


class Dataset:
    """A published dataset version, known by its manifest."""

    def __init__(self, path: str) -> None:
        """Read the manifest.

        Raises: RecipeError when there is no dataset at ``path``; ShardError when its manifest is damaged.
        """
        self.path = path
        self.filesystem, self.root = _open_filesystem(path)
        raw = self._read_manifest()
        try:
            manifest = json.loads(raw.decode("utf-8"))
            self.name, self.version = str(manifest["name"]), str(manifest["version"])
            self.files = [(str(file["path"]), int(file["bytes"]), str(file["sha256"])) for file in manifest["files"]]
            self.prefixes = _given_prefixes(manifest)
            # What mining put before texts: the recipe's prefixes, else the prompts of the model that mined.
            self.prompts = {role: str(text) for role, text in manifest.get("prompts", self.prefixes).items() if text}
            if strange := [path for path, _, _ in self.files if not is_plain_path(path)]:
                raise ValueError(f"{strange[0]!r} is no plain path below it")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ShardError(
                f"{path}/manifest.json must be a dataset manifest with name, version and files, got "
                f"{type(error).__name__}: {error}; try publishing the dataset again"
            ) from error
        # Of the content alone: publishing the same rows at another time is the same dataset.
        self.digest = hashlib.sha256(json.dumps(sorted(self.files)).encode()).hexdigest()

    def _read_manifest(self) -> bytes:
        try:
            with self.filesystem.open_input_stream(f"{self.root}/manifest.json") as stream:
                return bytes(stream.read())
        except FileNotFoundError as error:
            raise RecipeError(
                f"dataset must be a published dataset with a manifest.json, got {self.path!r}; "
                "try the directory that `pairwright build` printed"
            ) from error
        except OSError as error:
            raise ShardError(f"{self.path}/manifest.json cannot be read: {error}") from error

    def has_stage(self, number: int) -> bool:
        """Say whether the manifest lists shards of this stage."""
        return any(relative.startswith(f"stage{number}/") for relative, _, _ in self.files)

    def stage(self, number: int) -> StageShards:
        """Return the batches of one training stage, after checking its files.

        Raises: ShardError when a file is missing, differs from the manifest, is no Parquet or lacks columns;
            RecipeError when the stage has no batch.
        """
        prefix = f"stage{number}/"
        groups: list[RowGroup] = []
        for relative, size, checksum in sorted(self.files):
            if relative.startswith(prefix) and relative.endswith(".parquet"):
                self._check_file(relative, size, checksum)
                groups.extend(self._row_groups(relative))
        if not groups:
            raise RecipeError(
                f"stage {number} of dataset {self.name}@{self.version} must hold at least one batch, got none; "
                "try a smaller batch size in assemble, or epochs: 0 to skip the stage"
            )
        return StageShards(self, groups)

    def _check_file(self, relative: str, size: int, checksum: str) -> None:
        digest, seen = hashlib.sha256(), 0
        try:
            with self.filesystem.open_input_stream(f"{self.root}/{relative}") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    seen += len(chunk)
        except OSError as error:
            raise ShardError(
                f"{self.path}/{relative} cannot be read: {error}; try fetching the dataset again"
            ) from error
        if seen != size or digest.hexdigest() != checksum:
            raise ShardError(
                f"{self.path}/{relative} must match its manifest ({size} bytes, sha256 {checksum[:12]}), got {seen} "
                f"bytes, sha256 {digest.hexdigest()[:12]}; try fetching or publishing the dataset again"
            )

    def _row_groups(self, relative: str) -> Iterator[RowGroup]:
        with self.open_parquet(relative) as file:
            missing = [name for name in _COLUMNS if name not in file.schema_arrow.names]
            if missing:
                raise ShardError(
                    f"{self.path}/{relative} lacks the columns {', '.join(missing)}; try publishing it again"
                )
            for group in range(file.num_row_groups):
                yield RowGroup(relative, group, file.metadata.row_group(group).num_rows)

    def open_parquet(self, relative: str) -> Any:
        """Return an open ``pyarrow.parquet.ParquetFile``. Raises: ShardError when it is none."""
        try:
            return pq.ParquetFile(f"{self.root}/{relative}", filesystem=self.filesystem)
        except (pa.ArrowException, OSError) as error:
            raise ShardError(
                f"{self.path}/{relative} must be a Parquet file, got {_first_line(error)}; "
                "try fetching or publishing the dataset again"
            ) from error


class StageShards:
    """The planned batches of one stage, read by number."""

    def __init__(self, dataset: Dataset, groups: list[RowGroup]) -> None:
        """Take the row groups in file order."""
        self.dataset = dataset
        self.groups = groups

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def rows(self) -> int:
        """Examples in all batches together."""
        return sum(group.rows for group in self.groups)

    def read(self, number: int) -> list[Example]:
        """Return the examples of one batch, in order of position.

        Raises: ShardError when the row group cannot be decoded or a row breaks its contract.
        """
        group = self.groups[number]
        with self.dataset.open_parquet(group.path) as file:
            try:
                own = [name for name in NATIVE_IDS if name in file.schema_arrow.names]  # versions of before lack them
                rows = file.read_row_group(group.group, columns=[*_COLUMNS, *own]).to_pylist()
            except (pa.ArrowException, OSError) as error:
                raise ShardError(
                    f"{self.dataset.path}/{group.path} row group {group.group} cannot be decoded: "
                    f"{_first_line(error)}; try fetching or publishing the dataset again"
                ) from error
        return [_example(row, group) for row in sorted(rows, key=lambda row: row["position"])]

    def order(self, seed: int, epoch: int) -> list[int]:
        """Return the batch numbers in the order of one epoch: by hash, so that any library version agrees."""

        def rank(number: int) -> bytes:
            return hashlib.sha256(f"{seed}:{epoch}:{number}".encode()).digest()

        return sorted(range(len(self)), key=rank)


def _given_prefixes(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the prefixes that the dataset's recipe gives; a version of before has "" for one that it does not give."""
    encoder = manifest.get("recipe", {}).get("encoder", {})
    given = {"query": encoder.get("query_prefix"), "document": encoder.get("doc_prefix")}
    return {role: str(prefix) for role, prefix in given.items() if prefix or (prefix == "" and "prompts" in manifest)}


def _example(row: dict[str, Any], group: RowGroup) -> Example:
    negatives, ids = row["negatives"] or [], row["negative_ids"] or []
    if len(negatives) != len(ids) or row["query"] is None or row["positive"] is None:
        raise ShardError(
            f"{group.path} row group {group.group}: example {row['example_id']} must have a query, a positive and one "
            f"text per negative id, got {len(ids)} ids and {len(negatives)} texts; try publishing the dataset again"
        )
    return Example(
        example_id=row["example_id"],
        query_id=row["query_id"],
        query=row["query"],
        positive_id=row["positive_id"],
        positive=row["positive"],
        negative_ids=tuple(ids),
        negatives=tuple(negatives),
        positive_teacher=row["positive_teacher"],
        negative_teacher=tuple(row["negative_teacher"] or ()),
        known_ids=frozenset(row["known_ids"] or ()),
        domain=row["domain"],
        task=row["task"],
        rule=row["rule"],
        query_native_id=row.get("query_native_id"),
        positive_native_id=row.get("positive_native_id"),
        negative_native_ids=tuple(row.get("negative_native_ids") or ()),
    )


def _open_filesystem(path: str) -> tuple[Any, str]:
    if "://" not in path:
        return pafs.LocalFileSystem(), str(Path(path).absolute())
    uri = "s3://" + path.removeprefix("s3a://") if path.startswith("s3a://") else path
    try:
        filesystem, root = pafs.FileSystem.from_uri(uri)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RecipeError(f"dataset must be a path that can be opened, got {path!r} ({_first_line(error)})") from error
    return filesystem, root.rstrip("/")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
