"""Texts that say the same are one cluster, beside what shares their words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F
from scipy.sparse.csgraph import connected_components

from jobs.engines.faiss import OpenFaiss
from jobs.engines.shards import lay_out_shards
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.semantic import find_alike, with_alike
from pipeline.dedupe.survivors import drop_duplicates
from pipeline.ids import hash_id
from schemas.documents import DOCUMENTS, DUPLICATES
from schemas.errors import RecipeError


def document(doc_id: str, text: str) -> tuple[object, ...]:
    return (doc_id, "docs", "a.jsonl", 1, None, "", text, [], doc_id, "prose", None, len(text), hash_id(text), None)


def unjudged(documents):
    return documents.select("doc_id", F.lit(0).cast("long").alias("judged"))


@pytest.fixture
def searched(spark, tmp_path):
    """Store vectors by document; return them as a frame, and what opens an index of them."""

    def store(vectors: dict[str, np.ndarray]):
        home = tmp_path / "embeddings"
        home.mkdir()
        shape = pa.schema([("doc_id", pa.string()), ("vector", pa.list_(pa.float32()))])
        columns = [list(vectors), [vector.astype(np.float32) for vector in vectors.values()]]
        pq.write_table(pa.table(columns, schema=shape), home / "part.parquet")
        found = spark.read.parquet(str(home))
        lay_out_shards(found, "doc_id", len(vectors), tmp_path / "index")
        return found, OpenFaiss(str(tmp_path / "index"))

    return store


def circle(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def test_one_screen_example(rows, searched):
    documents = rows(
        DOCUMENTS,
        document("a", "sum two"),
        document("b", "add up both"),
        document("c", "elsewhere"),
        document("x", "SUM two"),
    )
    vectors, opener = searched({"a": circle(0), "b": circle(10), "c": circle(90)})  # x is a's copy, found before
    near = rows(DUPLICATES, ("x", "a", "exact", 1.0, None))

    alike = find_alike(
        documents.where("doc_id != 'x'"), unjudged(documents), vectors, opener, DedupeConfig(semantic=0.9)
    ).localCheckpoint()
    mapped = with_alike(near, alike).localCheckpoint()

    # The longer of a and b survives, and stands for a's copy too.
    found = {row.doc_id: (row.survivor_id, row.kind, row.jaccard, row.cosine) for row in mapped.collect()}
    assert found == {
        "a": ("b", "semantic", None, pytest.approx(np.cos(np.radians(10)), abs=1e-6)),
        "x": ("b", "exact", 1.0, None),
    }
    reasons = {row.doc_id: row.drop_reason for row in drop_duplicates(documents, mapped).collect()}
    assert reasons == {"a": "semantic_duplicate", "b": None, "c": None, "x": "exact_duplicate"}


@pytest.mark.parametrize("partitions", [1, 7])
def test_clusters_are_the_components_of_all_close_pairs(rows, searched, partitions):
    rng = np.random.default_rng(3)
    raw = rng.normal(size=(120, 4))
    unit = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    names = [f"d{place:03}" for place in range(len(unit))]
    vectors, opener = searched(dict(zip(names, unit, strict=True)))
    documents = rows(DOCUMENTS, *(document(name, name) for name in names)).repartition(partitions)
    cfg = DedupeConfig(semantic=0.95, neighbours=119)

    found = {
        row.doc_id: row.survivor_id
        for row in find_alike(documents, unjudged(documents), vectors, opener, cfg).collect()
    }

    count, label = connected_components(unit.astype(np.float64) @ unit.T.astype(np.float64) >= 0.95, directed=False)
    first = {cluster: names[int(np.flatnonzero(label == cluster)[0])] for cluster in range(count)}
    expected = {name: first[cluster] for name, cluster in zip(names, label, strict=True) if first[cluster] != name}
    assert 20 < len(expected) < 119
    assert found == expected


def test_a_cosine_that_nearly_all_texts_reach_is_refused():
    with pytest.raises(RecipeError, match="semantic"):
        DedupeConfig.from_mapping({"semantic": 0.2}, "dedupe")
