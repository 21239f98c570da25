"""Trials: gold that is hidden, and how every signal is described."""

import math

import pytest

from pipeline.judge.trials import TRIAL, hide_positives
from pipeline.label.config import LabelConfig
from schemas.mining import EMBEDDINGS, SCORES
from schemas.pairs import POSITIVES
from tests.pipeline.judge.rows import positive, score


def test_one_positive_is_shown_and_only_what_was_retrieved_can_be_hidden(rows):
    vectors = {"p1": [1.0, 0.0], "p2": [0.6, 0.8], "p3": [0.0, 1.0], "c": [0.8, 0.6]}
    scores = rows(
        SCORES,
        score("q", "p1", 0.9, is_positive=True, similar=0.6),
        score("q", "p2", 0.7, is_positive=True, similar=0.8, bm25_rank=2, bm25=4.0, ann_rank=3),
        score("q", "p3", 0.2, is_positive=True, similar=0.8, ann_rank=None),
        score("q", "c", 0.5, similar=0.96, bm25_rank=1, bm25=8.0, ann_rank=None),
        score("q", "s", 0.4, ann_rank=None),
    )
    known = rows(POSITIVES, *[positive("q", doc) for doc in ("p1", "p2", "p3")])
    embeddings = rows(EMBEDDINGS, *vectors.items())

    for seed in range(3):  # whichever is shown
        trials = hide_positives(scores, known, embeddings, LabelConfig(), 10, seed)
        assert tuple(trials.columns) == TRIAL
        found = {row.doc_id: row for row in trials.collect()}
        shown = next(iter({"p1", "p2"} - found.keys()), "p3")
        assert set(found) == {"p1", "p2", "c"} - {shown}  # p3 was not found; s was written by a model
        assert {doc: row.hidden for doc, row in found.items()} == {doc: doc != "c" for doc in found}
        cosine = sum(a * b for a, b in zip(vectors["c"], vectors[shown], strict=True))
        assert found["c"].positive_sim == pytest.approx(cosine, abs=1e-6)  # not 0.96: the others are hidden
        assert found["c"].gap == pytest.approx(0.5 - {"p1": 0.9, "p2": 0.7, "p3": 0.2}[shown])
        assert found["c"].lexical_share == 1.0
        if "p2" in found:
            assert (found["p2"].lexical_share, found["p2"].log_lexical) == (
                0.5,
                pytest.approx(math.log(2), abs=1e-6),
            )


def test_a_query_with_one_positive_hides_it_and_shows_nothing(rows):
    scores = rows(SCORES, score("q", "p", 0.9, is_positive=True), score("q", "c", 0.5))
    trials = hide_positives(scores, rows(POSITIVES, positive("q", "p")), rows(EMBEDDINGS), LabelConfig(), 10, 1)
    found = {row.doc_id: row for row in trials.collect()}
    assert (found["p"].hidden, found["c"].hidden, found["c"].is_several) == (True, False, False)
    assert [found["c"].gap, found["c"].gap_spread, found["c"].positive_sim] == [None] * 3


def test_synthetic_positives_are_no_gold(rows):
    scores = rows(
        SCORES,
        score("q", "p", 0.9, is_positive=True),
        score("q", "w", 0.9, is_positive=True),
        score("llm", "p", 0.9, is_positive=True),
    )
    known = rows(
        POSITIVES, positive("q", "p"), positive("q", "w", rule="synthetic"), positive("llm", "p", rule="synthetic")
    )
    trials = hide_positives(scores, known, rows(EMBEDDINGS), LabelConfig(), 10, 1).collect()
    assert [(row.query_id, row.doc_id, row.is_several) for row in trials] == [("q", "p", False)]


@pytest.mark.parametrize("partitions", [1, 7])
def test_trials_are_bounded_and_the_same_however_partitioned(rows, partitions):
    names = [f"q{number}" for number in range(12)]
    scores = rows(SCORES, *[score(q, d, 0.5, is_positive=d in "pr") for q in names for d in ("p", "r", "a", "b")])
    known = rows(POSITIVES, *[positive(q, d) for q in names for d in "pr"])
    embeddings = rows(EMBEDDINGS, ("p", [1.0]), ("r", [1.0]), ("a", [1.0]), ("b", [0.5]))

    def found(count):
        frames = [frame.repartition(count) for frame in (scores, known, embeddings)]
        return sorted(map(tuple, hide_positives(*frames, LabelConfig(), 5, 1).collect()), key=str)

    assert found(partitions) == found(2)
    assert len({row[0] for row in found(partitions)}) == 5
