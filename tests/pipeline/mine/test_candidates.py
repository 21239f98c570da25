"""Which queries are mined for, how candidates come together, how synthetic negatives are ranked."""

from __future__ import annotations

import pytest

from pipeline.mine.candidates import choose_negatives, choose_queries, leave_out_own, mine_candidates, score_negatives
from pipeline.mine.config import MineConfig
from pipeline.search.hits import HITS
from schemas.errors import RecipeError
from schemas.mining import TEXT_EMBEDDINGS
from schemas.pairs import OWN_DOCUMENT, POSITIVES, SYNTHETICS


def positive(query_id: str, query: str, doc_id: str) -> tuple[object, ...]:
    return (query_id, query, doc_id, "title", 1.0, "domain", None)


def synthetic(text_id: str, query_id: str | None, kind: str = "negative") -> tuple[object, ...]:
    return (f"r-{text_id}-{query_id}", kind, text_id, f"text of {text_id}", "d1", query_id, None, None)


def test_a_query_with_many_positives_or_spellings_is_mined_for_once(rows):
    spellings = [positive("q1", "What now", "d1"), positive("q1", "what now", "d2")]
    positives = rows(POSITIVES, *spellings, positive("q2", "x", "d1"))

    got = choose_queries(positives, MineConfig(), seed=1).collect()

    assert sorted((row.query_id, row["query"]) for row in got) == [("q1", "What now"), ("q2", "x")]


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_the_draw_is_the_same_on_any_partitioning_and_another_for_another_seed(rows, partitions):
    positives = rows(POSITIVES, *[positive(f"q{i}", f"query {i}", "d") for i in range(40)])
    cfg = MineConfig(max_queries=10)

    def drawn(frame, seed):
        return sorted(row.query_id for row in choose_queries(frame, cfg, seed).collect())

    got = drawn(positives.repartition(partitions), 1)
    assert got == drawn(positives.coalesce(1), 1)
    assert len(got) == 10
    assert got != drawn(positives, 2)


def test_synthetic_negatives_of_mined_queries_are_taken_once(rows, spark):
    synthetics = rows(
        SYNTHETICS,
        synthetic("n1", "q1"),
        synthetic("n2", "q9"),
        synthetic("n3", None, "query"),
        ("r2", "negative", "n1", "text of n1", "d2", "q1", None, None),
    )
    queries = spark.createDataFrame([("q1", "x")], "query_id string, query string")

    assert [tuple(row) for row in choose_negatives(synthetics, queries).collect()] == [("q1", "n1", "text of n1")]


def test_synthetic_negatives_are_ranked_by_cosine_with_ties_by_id(rows, spark):
    vectors = rows(TEXT_EMBEDDINGS, ("q", [1.0, 0.0]), ("far", [0.0, 1.0]), ("b", [0.6, 0.8]), ("a", [0.6, -0.8]))
    negatives = spark.createDataFrame([("q", each) for each in ("far", "b", "a")], "query_id string, text_id string")

    got = sorted((row["rank"], row.doc_id, row.score) for row in score_negatives(negatives, vectors).collect())

    assert got == [(1, "a", 0.6), (2, "b", 0.6), (3, "far", 0.0)]


def test_a_document_found_by_two_retrievers_keeps_both_rows(spark):
    lexical = spark.createDataFrame([("q", "d1", 1, 12.5), ("q", "d2", 2, 3.0)], HITS)
    dense = spark.createDataFrame([("q", "d1", 1, 0.7)], HITS)
    written = spark.createDataFrame([("q", "n1", 1, 0.5)], HITS)

    got = mine_candidates([("bm25", lexical), ("ann", dense), ("synthetic", written)], MineConfig()).collect()

    assert sorted(tuple(row) for row in got) == [
        ("q", "d1", "ann", 1, 0.7),
        ("q", "d1", "bm25", 1, 12.5),
        ("q", "d2", "bm25", 2, 3.0),
        ("q", "n1", "synthetic", 1, 0.5),
    ]


def test_skipped_ranks_leave_synthetic_negatives_alone(spark):
    hits = spark.createDataFrame([("q", f"d{rank}", rank, 1.0 / rank) for rank in (1, 2, 3)], HITS)

    got = mine_candidates([("bm25", hits), ("synthetic", hits)], MineConfig(skip_ranks=2)).collect()

    assert sorted((row.retriever, row["rank"]) for row in got) == [
        ("bm25", 3),
        ("synthetic", 1),
        ("synthetic", 2),
        ("synthetic", 3),
    ]


@pytest.mark.parametrize("retrievers", [(), ("bm25", "bm25"), ("splade",)])
def test_impossible_retrievers_are_refused(retrievers):
    with pytest.raises(RecipeError, match="retrievers must"):
        MineConfig(retrievers=retrievers)


def test_a_document_that_is_the_query_itself_is_no_candidate(rows, spark):
    hits = spark.createDataFrame([("q", "own", 1, 1.0), ("q", "d", 2, 0.5), ("r", "own", 1, 0.4)], HITS)
    positives = rows(POSITIVES, (*positive("q", "query", "own")[:6], OWN_DOCUMENT), positive("q", "query", "p"))

    got = leave_out_own(mine_candidates([("ann", hits)], MineConfig()), positives)

    assert sorted((row.query_id, row.doc_id) for row in got.collect()) == [("q", "d"), ("r", "own")]
