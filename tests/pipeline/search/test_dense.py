"""Encoding and searching vectors through Spark, with fakes for the engines."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pipeline.index.config import EncoderConfig
from pipeline.index.encode import embed_documents, embed_texts, encode_texts
from pipeline.ports import Hit
from pipeline.search.dense import BLOCK_QUERIES, plan_spans, retrieve_nearest
from schemas.documents import DOCUMENTS


def letters(log: Path | None = None):
    """A factory of a fake encoder: the vector counts two letters; every text that is asked for is logged."""

    class Letters:
        digest = "fake"

        def encode(self, texts):
            if log is not None:
                with log.open("a") as handle:
                    handle.writelines(f"{text}\n" for text in texts)
            return np.array([[text.count("a"), text.count("b"), 1] for text in texts], np.float32)

    return Letters


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_every_row_gets_its_vector_and_equal_texts_are_encoded_once(spark, tmp_path, partitions):
    texts = ["a", "b", "ab", "a", "", "a"]
    frame = spark.createDataFrame([(f"t{i}", text) for i, text in enumerate(texts)], "id string, text string")
    log = tmp_path / "asked"

    got = encode_texts(frame.repartition(partitions), "id", "text", letters(log)).collect()

    assert sorted((row.id, row.vector) for row in got) == [
        (f"t{i}", [text.count("a"), text.count("b"), 1.0]) for i, text in enumerate(texts)
    ]
    assert sorted(log.read_text().split("\n")[:-1]) == ["", "a", "ab", "b"]


def test_prefixes_are_put_before_queries_and_documents(rows, spark, tmp_path):
    cfg = EncoderConfig(query_prefix="aa:", doc_prefix="bb:")
    document = ("d", "s", "p", 1, None, "", "x", [], "f", "dom", None, 1, "h", None)
    queries = spark.createDataFrame([("q", "x")], "query_id string, query string")
    negatives = spark.createDataFrame([("n", "x")], "text_id string, text string")

    documents = embed_documents(rows(DOCUMENTS, document), letters(), cfg).collect()
    texts = embed_texts(queries, negatives, letters(), cfg).collect()

    assert [(row.doc_id, row.vector) for row in documents] == [("d", [0.0, 2.0, 1.0])]
    assert sorted((row.text_id, row.vector) for row in texts) == [("n", [0.0, 2.0, 1.0]), ("q", [2.0, 0.0, 1.0])]


def test_vectors_reach_the_index_as_they_were(spark):
    class First:
        def search(self, vectors, k):
            assert vectors.dtype == np.float32
            return [[Hit("d", 1, float(row[0]))] for row in vectors]

    @contextmanager
    def opener():
        yield First()

    frame = spark.createDataFrame([("q1", [0.25, 1.0]), ("q2", [0.5, 0.0])], "query_id string, vector array<float>")
    assert sorted((row.query_id, row.score) for row in retrieve_nearest(frame, opener, 1).collect()) == [
        ("q1", 0.25),
        ("q2", 0.5),
    ]


@pytest.mark.parametrize(
    ("queries", "shards", "cores", "spans"),
    [
        (10, 1, 40, 1),  # one shard has no parts
        (10, 8, 40, 8),
        (10, 800, 40, 80),  # two tasks a core
        (BLOCK_QUERIES * 80, 800, 40, 1),  # queries enough to give every core work
        (BLOCK_QUERIES * 20, 800, 40, 4),
        (0, 8, 2, 4),
    ],
)
def test_few_queries_are_searched_in_parts_of_the_documents(queries, shards, cores, spans):
    assert plan_spans(queries, shards, cores) == spans
