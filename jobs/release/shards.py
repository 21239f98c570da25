"""The files of a dataset version: Parquet shards with one row group a batch, evaluation sets in BEIR layout.

Spark workers write the shards, one file at a time, so the driver never holds a dataset and a worker holds one file's
rows (``BATCHES_A_FILE`` batches). Writer options are fixed and nothing of the clock or the machine is written: the same
rows give the same bytes. Evaluation sets are sorted by Spark and streamed through the driver, a partition at a time.

Known weakness: ``home`` must be a path that every worker mounts. Bytes are stable for one version of pyarrow.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from jobs.store.files import file_sha256, open_atomic
from pipeline.assemble.native_ids import name_documents, name_queries
from pipeline.contract import kept
from schemas.documents import EVAL_CORPUS, EVAL_QRELS, EVAL_QUERIES
from schemas.errors import ContractError, rule
from schemas.names import PLAIN_NAME, is_plain_name
from schemas.shards import SHARDS
from schemas.table import Table

BATCHES_A_FILE = 256
_WRITER = {
    "version": "2.6",
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": True,
    "write_statistics": True,
    "data_page_version": "1.0",
    "store_schema": True,
}
_ARROW = {
    "string": pa.string(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "binary": pa.binary(),
    "float": pa.float32(),
    "struct<retriever:string,rank:int,score:double>": pa.struct(
        [("retriever", pa.string()), ("rank", pa.int32()), ("score", pa.float64())]
    ),
}
_WRITTEN = "path string, batches long, rows long, bytes long, sha256 string"


def arrow_schema(table: Table) -> pa.Schema:
    """Return the table's columns as an Arrow schema that carries their documentation."""
    fields = []
    for column in table.columns:
        inner = column.type.removeprefix("array<")
        inner = inner if inner == column.type else inner.removesuffix(">")
        kind = _ARROW[inner] if inner == column.type else pa.list_(pa.field("item", _ARROW[inner], nullable=False))
        fields.append(pa.field(column.name, kind, column.nullable, metadata={"doc": column.doc}))
    about = {"table": table.name, "version": str(table.version), "key": ", ".join(table.key)}
    return pa.schema(fields, metadata=about)


def write_shards(examples: DataFrame, home: Path, batches_a_file: int = BATCHES_A_FILE) -> list[dict[str, Any]]:
    """Write ``stage<N>/batches-<first batch>.parquet`` and return path, batches, rows, bytes and sha256 of each file.

    In:   EXAMPLES; rows in a batch are written.
    Raises: ContractError when a batch has gaps or a row a null.
    Cost: one shuffle of the rows by file.
    """
    root = str(home)
    for stage in (1, 2):
        (home / f"stage{stage}").mkdir(parents=True, exist_ok=True)

    def write(table: pa.Table) -> pa.Table:
        return pa.Table.from_pylist([_write_file(table, root)])

    number = F.floor(F.col("batch") / F.lit(batches_a_file)).cast("int")
    filed = kept(examples).select("stage", number.alias("file"), *SHARDS.names)
    written = filed.groupBy("stage", "file").applyInArrow(write, schema=_WRITTEN).collect()
    for stage in (1, 2):
        if not any((home / f"stage{stage}").iterdir()):
            (home / f"stage{stage}").rmdir()
    return sorted((row.asDict() for row in written), key=lambda file: file["path"])


def _write_file(table: pa.Table, root: str) -> dict[str, Any]:
    """Write one shard batch by batch; a retried task leaves no half file."""
    ordered = table.sort_by([("batch", "ascending"), ("position", "ascending")])
    stage, batches = ordered["stage"][0].as_py(), ordered["batch"].combine_chunks()
    name = f"stage{stage}/batches-{batches[0].as_py():07d}.parquet"
    counts = pc.value_counts(batches).to_pylist()
    path = Path(root, name)
    schema = arrow_schema(SHARDS)
    rows = ordered.select(list(SHARDS.names))
    try:
        rows = rows.cast(schema)
    except (ValueError, pa.ArrowException) as error:
        raise ContractError(f"{name} must have no nulls: {error}") from error
    start = 0
    with open_atomic(path) as handle, pq.ParquetWriter(handle, schema, **_WRITER) as writer:
        for count in (entry["counts"] for entry in counts):
            batch = rows.slice(start, count)
            if batch["position"].to_pylist() != list(range(count)):
                raise ContractError(f"{name} must hold positions 0 to {count - 1} of batch {batch['batch'][0]}")
            writer.write_table(batch.combine_chunks(), row_group_size=count)
            start += count
    size = path.stat().st_size
    return {"path": name, "batches": len(counts), "rows": start, "bytes": size, "sha256": file_sha256(path)}


def write_eval_sets(
    corpus: DataFrame,
    queries: DataFrame,
    qrels: DataFrame,
    documents: DataFrame,
    judgements: DataFrame,
    home: Path,
) -> list[dict[str, Any]]:
    """Write ``eval/<name>/`` (corpus.jsonl, queries.jsonl, qrels/test.tsv) and return path, rows, bytes and sha256.

    In:   EVAL_CORPUS, EVAL_QUERIES, EVAL_QRELS; DOCUMENTS and JUDGEMENTS, which know the ids that sources give.
    Ties: sorted by the tables' keys.
    Raises: ContractError when a set's name is not fit for a folder.
    """
    corpus = corpus.join(name_documents(documents), "doc_id", how="left")
    queries = queries.join(name_queries(judgements), "query_id", how="left")
    files = [
        *_write_sets(
            corpus,
            EVAL_CORPUS,
            home,
            "corpus.jsonl",
            lambda row: _record(row.doc_id, row.text, row.domain, row.native_id),
        ),
        *_write_sets(
            queries,
            EVAL_QUERIES,
            home,
            "queries.jsonl",
            lambda row: _record(row.query_id, row.query, row.domain, row.query_native_id),
        ),
        *_write_sets(
            qrels,
            EVAL_QRELS,
            home,
            "qrels/test.tsv",
            lambda row: f"{row.query_id}\t{row.doc_id}\t{row.relevance}",
            "query-id\tcorpus-id\tscore",
        ),
    ]
    return sorted(files, key=lambda file: str(file["path"]))


def _record(identity: str, text: str, domain: str, native: str | None) -> str:
    about = {"domain": domain} if native is None else {"domain": domain, "native_id": native}
    return json.dumps({"_id": identity, "title": "", "text": text, "metadata": about}, ensure_ascii=False)


def _write_sets(
    frame: DataFrame, table: Table, home: Path, name: str, line: Callable[[Row], str], heading: str | None = None
) -> Iterator[dict[str, Any]]:
    """Write the file of each evaluation set, from rows sorted by set."""
    rows = frame.orderBy(*table.key).toLocalIterator()
    for eval_name, group in itertools.groupby(rows, key=lambda row: str(row.eval_name)):
        if not is_plain_name(eval_name):
            raise ContractError(rule("name of an evaluation set", PLAIN_NAME, eval_name))
        yield _write_lines(home, f"eval/{eval_name}/{name}", map(line, group), heading)


def _write_lines(home: Path, name: str, lines: Iterable[str], heading: str | None) -> dict[str, Any]:
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    digest, rows, size = hashlib.sha256(), 0, 0
    with open_atomic(home / name) as handle:
        for number, line in enumerate(itertools.chain(() if heading is None else (heading,), lines), start=1):
            raw = line.encode("utf-8", "replace") + b"\n"
            size += handle.write(raw)
            digest.update(raw)
            rows = number - (heading is not None)
    return {"path": name, "rows": rows, "bytes": size, "sha256": digest.hexdigest()}
