"""The tables and files of one build, read with pyarrow, bounded, without Spark; what is not there has no rows."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from jobs.runtime.workspace import Workspace
from schemas.documents import DOCUMENTS

Row = dict[str, Any]
_ORIGIN = 80  # characters of an own id, and of a path: its end, which says most


def origin_of(document: Row) -> str:
    """Return what its owner knows a document by: its own id, and the file and line it came from; else its hash."""
    own, path = str(document.get("native_id") or ""), str(document.get("path") or "")
    if path:
        path = f"{path if len(path) <= _ORIGIN else f'…{path[1 - _ORIGIN :]}'}:{document['line']}"
    return ", ".join(part for part in (own[:_ORIGIN], path) if part) or str(document.get("doc_id", ""))


class Outputs:
    """The outputs of one build."""

    def __init__(self, workspace: Workspace) -> None:
        """Look up nothing yet."""
        self.workspace = workspace

    def path(self, stage: str, name: str) -> Path | None:
        """Return an output's directory, or None. It is shown, not trained on: checksums are not read again."""
        manifest = self.workspace.manifest(stage)
        if manifest is None or name not in manifest["outputs"]:
            return None
        return self.workspace.store.fetch(stage, self.workspace.fingerprint(stage), name)

    def dataset(self, stage: str, table: str) -> Any:
        """Return a table as a pyarrow dataset, or None."""
        path = self.path(stage, table)
        return None if path is None or not any(path.glob("*.parquet")) else ds.dataset(path, format="parquet")

    def batches(self, stage: str, table: str, columns: Sequence[str], where: Any = None) -> Iterator[Any]:
        """Yield record batches of some columns."""
        found = self.dataset(stage, table)
        yield from () if found is None else found.to_batches(columns=list(columns), filter=where)

    def sample(
        self, stage: str, table: str, size: int, order: Sequence[str], where: Any = None, drop: Sequence[str] = ()
    ) -> list[Row]:
        """Return the whole rows whose ``order`` columns are smallest."""
        keys = heapq.nsmallest(
            size,
            (
                tuple(row[name] for name in order)
                for batch in self.batches(stage, table, order, where)
                for row in batch.to_pylist()
            ),
        )
        if not keys:
            return []
        found = self.dataset(stage, table)
        chosen = pc.field(order[0]).isin(sorted({key[0] for key in keys}))
        columns = [name for name in found.schema.names if name not in drop]
        rows = found.to_table(columns=columns, filter=chosen if where is None else chosen & where).to_pylist()
        by_key = {tuple(row[name] for name in order): row for row in rows}
        return [by_key[key] for key in keys]

    def find_documents(self, ids: Iterable[str]) -> dict[str, Row]:
        """Return documents by id: where they come from, their own id, title and text."""
        found, wanted = self.dataset("ingest", DOCUMENTS.name), sorted(set(ids))
        if found is None or not wanted:
            return {}
        columns = ["doc_id", "source", "path", "line", "native_id", "title", "text"]
        rows = found.to_table(columns=columns, filter=pc.field("doc_id").isin(wanted)).to_pylist()
        return {row["doc_id"]: row for row in rows}
