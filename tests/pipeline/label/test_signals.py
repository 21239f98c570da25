"""Signals of every pair: who found it, at which rank, and every cosine."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.engines.vectors import OpenVectors, store_vectors
from pipeline.label import signals
from pipeline.label.signals import measure_pairs
from schemas.errors import ContractError
from schemas.mining import CANDIDATES
from schemas.pairs import POSITIVES
from tests.pipeline.label.rows import as_dicts, positive

BATCH_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"


def unit_vectors(names, dimensions=8, seed=0):
    found = np.random.default_rng(seed).normal(size=(len(names), dimensions)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return {name: [float(value) for value in row] for name, row in zip(names, found, strict=True)}


@pytest.fixture
def stored(tmp_path):
    """Store the vectors of documents and of texts, as the job does; return what opens them in a worker."""

    def store(documents, texts):
        home = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, vectors in (("doc_id", documents), ("text_id", texts)):
            (home / name).mkdir(parents=True)
            columns = {
                name: pa.array(list(vectors), pa.string()),
                "vector": pa.array(list(vectors.values()), pa.list_(pa.float32())),
            }
            pq.write_table(pa.table(columns), home / name / "part.parquet")
        store_vectors({home / "doc_id": "doc_id", home / "text_id": "text_id"}, home / "vectors")
        return OpenVectors(str(home / "vectors"))

    return store


@pytest.fixture
def mined(rows, stored):
    """One query: a and b found by both retrievers, c by BM25 alone, n written by a model; p known, but not found."""
    candidates = rows(
        CANDIDATES,
        ("q", "a", "bm25", 2, 7.5),
        ("q", "a", "ann", 1, 0.9),
        ("q", "b", "ann", 2, 0.8),
        ("q", "b", "bm25", 1, 8.0),
        ("q", "c", "bm25", 3, 1.0),
        ("q", "n", "synthetic", 1, 0.0),
    )
    positives = rows(
        POSITIVES,
        positive("q", "p"),
        positive("q", "b"),
        positive("q", "c", reason="surplus_pair"),
        positive("q", "far", reason="surplus_pair"),
        positive("q", "not embedded"),
        positive("unmined", "a"),
    )
    vectors = unit_vectors(["q", "a", "b", "c", "n", "p", "far"])
    documents = {name: vectors[name] for name in ("a", "b", "c", "p", "far")}
    texts = {name: vectors[name] for name in ("q", "n")}
    return (candidates, positives, stored(documents, texts)), vectors


def test_every_pair_has_one_row_with_its_ranks_and_known_positives_have_one_too(mined):
    frames, _ = mined

    found = as_dicts(measure_pairs(*frames), "query_id", "doc_id")

    assert {query for query, _ in found} == {"q"}  # a query that was not mined has no pairs
    found = {doc: row for (_, doc), row in found.items()}
    assert set(found) == {"a", "b", "c", "n", "p"}  # a dropped positive that nobody found is no pair
    assert {name for name, row in found.items() if row["is_positive"]} == {"b", "c", "p"}
    hits = {doc: [tuple(hit) for hit in row["hits"]] for doc, row in found.items()}
    assert [hit[:2] for hit in hits["a"]] == [("ann", 1), ("bm25", 2)]
    assert hits["a"][1][2] == 7.5
    assert [hit[0] for hit in hits["n"]] == ["synthetic"]
    assert hits["p"] == []
    assert found["n"]["teacher"] is None


@pytest.mark.parametrize("partitions", [1, 7])
def test_cosines_equal_brute_force_however_the_input_is_partitioned(mined, partitions):
    (candidates, positives, opener), vectors = mined
    matrix = {name: np.array(vector, dtype=np.float32).astype(np.float64) for name, vector in vectors.items()}
    known = ["b", "c", "p"]

    measured = measure_pairs(candidates.repartition(partitions), positives.repartition(partitions), opener)

    for name, row in as_dicts(measured, "doc_id").items():
        others = [float(matrix[name] @ matrix[other]) for other in known if other != name]
        assert row["dense"] == pytest.approx(float(matrix[name] @ matrix["q"]), abs=6e-7)
        assert row["positive_sim"] == pytest.approx(max(others), abs=6e-7)
        assert row["dense"] == round(row["dense"], 6)


@pytest.mark.parametrize(("partitions", "batch"), [(1, 2048), (1, 1), (3, 7), (3, 64)])
def test_many_queries_are_measured_alike_wherever_partitions_and_batches_end(
    spark,
    rows,
    stored,
    monkeypatch,
    partitions,
    batch,
):
    rng = np.random.default_rng(8)
    documents = unit_vectors([f"d{n:02}" for n in range(60)], dimensions=48, seed=1)
    queries = unit_vectors([f"q{n:02}" for n in range(12)], dimensions=48, seed=2)
    found = {query: rng.permutation(list(documents))[: 1 + n * 4].tolist() for n, query in enumerate(queries)}
    known = {query: rng.permutation(list(documents))[: n % 4].tolist() for n, query in enumerate(queries)}
    candidates = rows(
        CANDIDATES,
        *[
            (query, doc, name, rank, 1.0)
            for query, docs in found.items()
            for rank, doc in enumerate(docs, start=1)
            for name in ("bm25", "ann")
        ],
    )
    positives = rows(POSITIVES, *[positive(query, doc) for query, docs in known.items() for doc in docs])
    monkeypatch.setattr(signals, "spread", lambda frame, key: frame.repartition(partitions, key))
    size = spark.conf.get(BATCH_ROWS)
    spark.conf.set(BATCH_ROWS, batch)
    try:
        got = [
            (*row[:3], list(map(tuple, row.hits)), *row[4:6])
            for row in measure_pairs(candidates, positives, stored(documents, queries)).collect()
        ]
    finally:
        spark.conf.set(BATCH_ROWS, size)

    doubles = {name: np.array(vector, np.float32).astype(np.float64) for name, vector in (documents | queries).items()}

    def cosine(one, other):
        return float(np.round((doubles[one] * doubles[other]).sum(), 6))

    expected = []
    for query in queries:
        for doc in {*found[query], *known[query]}:
            rank = found[query].index(doc) + 1 if doc in found[query] else None
            nearest = max((cosine(doc, other) for other in known[query] if other != doc), default=None)
            hits = [(name, rank, 1.0) for name in ("ann", "bm25") if rank]
            expected.append((query, doc, doc in known[query], hits, cosine(query, doc), nearest))
    assert sorted(got, key=lambda row: row[:2]) == sorted(expected, key=lambda row: row[:2])  # to the last bit


def test_a_single_positive_is_similar_to_no_other_one(mined, rows):
    (candidates, _, opener), _ = mined
    found = as_dicts(measure_pairs(candidates, rows(POSITIVES, positive("q", "p")), opener), "doc_id")
    assert found["p"]["positive_sim"] is None
    assert found["a"]["positive_sim"] is not None


def test_a_candidate_without_an_embedding_is_an_error_that_names_it(mined, stored):
    (candidates, positives, _), vectors = mined
    opener = stored({name: vectors[name] for name in ("a", "b", "p")}, {name: vectors[name] for name in ("q", "n")})
    with pytest.raises(Exception, match=r"ContractError.*got none for c of query q"):
        measure_pairs(candidates, positives, opener).collect()
    assert issubclass(ContractError, Exception)


def test_candidates_of_no_embedded_query_are_no_pairs(mined, stored):
    (candidates, positives, _), _ = mined
    assert measure_pairs(candidates, positives, stored({}, {})).collect() == []
