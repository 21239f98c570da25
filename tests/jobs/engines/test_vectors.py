"""Vectors by id: found whatever table, file and order they came in; broken tables are named."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.engines.vectors import OpenVectors, StoredVectors, store_vectors
from schemas.errors import ShardError


def written(folder: Path, column: str, vectors: dict[str, list[float]], files: int = 2) -> dict[Path, str]:
    folder.mkdir(parents=True)
    for number, names in enumerate(np.array_split(list(vectors), files)):
        shown = [vectors[str(name)] for name in names]
        table = pa.table(
            {column: pa.array(names.tolist(), pa.string()), "vector": pa.array(shown, pa.list_(pa.float32()))}
        )
        pq.write_table(table, folder / f"part-{number}.parquet")
    return {folder: column}


def test_one_screen_example(tmp_path):
    documents = written(tmp_path / "documents", "doc_id", {"d2": [0.0, 1.0], "d10": [1.0, 0.0], "dé": [0.5, 0.5]})
    texts = written(tmp_path / "texts", "text_id", {"a query": [0.6, 0.8]})

    assert store_vectors(documents | texts, tmp_path / "vectors") == 4

    with pickle.loads(pickle.dumps(OpenVectors(str(tmp_path / "vectors"))))() as store:
        rows = store.find(["dé", "d1", "a query", "d2", "d2", "zz", "a much longer id than any that is stored"])
        assert (rows < 0).tolist() == [False, True, False, False, False, True, True]
        taken = store.take(rows[rows >= 0])
    assert taken.dtype == np.float32
    assert taken.tolist() == np.float32([[0.5, 0.5], [0.6, 0.8], [0, 1], [0, 1]]).tolist()


@pytest.mark.parametrize("files", [1, 3])
def test_every_id_finds_its_own_vector_however_the_table_is_cut(tmp_path, files):
    names = [f"n{number}" for number in np.random.default_rng(3).permutation(500)]
    vectors = {name: [float(name[1:]), 1.0] for name in names}
    store_vectors(written(tmp_path / "table", "doc_id", vectors, files), tmp_path / "vectors")
    with StoredVectors(tmp_path / "vectors") as store:
        assert store.take(store.find(names)).tolist() == list(vectors.values())


def test_nothing_stored_is_nothing_found(tmp_path):
    assert store_vectors(written(tmp_path / "table", "doc_id", {}), tmp_path / "vectors") == 0
    with StoredVectors(tmp_path / "vectors") as store:
        assert store.find(["a", "b"]).tolist() == [-1, -1]
        assert store.find([]).tolist() == []


def test_an_id_of_two_vectors_is_refused(tmp_path):
    tables = written(tmp_path / "one", "doc_id", {"a": [1.0], "b": [1.0]}) | written(
        tmp_path / "other", "text_id", {"c": [1.0], "b": [0.0]}
    )
    with pytest.raises(ShardError, match=r"one vector per id, got two for b in .*one and .*other"):
        store_vectors(tables, tmp_path / "vectors")


def test_tables_of_two_widths_are_refused(tmp_path):
    tables = written(tmp_path / "one", "doc_id", {"a": [1.0, 0.0]}, 1) | written(
        tmp_path / "other", "text_id", {"b": [1.0]}, 1
    )
    with pytest.raises(ShardError, match="must all have 2 dimensions"):
        store_vectors(tables, tmp_path / "vectors")


def test_an_incomplete_folder_is_named(tmp_path):
    store_vectors(written(tmp_path / "table", "doc_id", {"a": [1.0]}), tmp_path / "vectors")
    (tmp_path / "vectors" / "vectors.json").unlink()  # what is written last
    with pytest.raises(ShardError, match="vectors holds no complete vectors"):
        OpenVectors(str(tmp_path / "vectors"))()
