"""Which gold the teacher is measured on, and which pairs it scores."""

import numpy as np
import pytest

from pipeline.ids import unit_of
from pipeline.label.config import LabelConfig
from pipeline.label.teacher import (
    add_texts,
    attach_teacher,
    choose_labelled,
    choose_measured,
    score_pairs,
)
from schemas.documents import DOCUMENTS
from schemas.mining import SCORES
from schemas.pairs import POSITIVES, SYNTHETICS
from tests.pipeline.label.rows import SEED, as_dicts, document, gold_tables, positive, score


@pytest.fixture
def gold(rows):
    """Forty queries with a positive each and six candidates, d0 the closest (too close to be taught as negative)."""
    scores, positives = gold_tables(0.79)
    return rows(SCORES, *scores), rows(POSITIVES, *positives)


def test_queries_with_several_positives_are_measured_first(gold):
    scores, positives = gold
    cfg = LabelConfig(held_out=0.9, measure_queries=1)
    several = next(f"q{n:02d}" for n in range(40) if unit_of(SEED, "held out", f"q{n:02d}") < 0.9 and n > 20)
    second = positives.where(f"query_id = '{several}'").selectExpr(
        "query_id", "query", f"'{several}-d5' AS doc_id", "rule", "grade", "domain", "drop_reason"
    )
    known = scores.selectExpr(
        "query_id", "doc_id", f"is_positive OR doc_id = '{several}-d5' AS is_positive", *SCORES.names[3:]
    )
    found = choose_measured(known, positives.unionByName(second), cfg, SEED)
    assert [row.query_id for row in found.collect()] == [several]


@pytest.mark.parametrize("partitions", [1, 7])
def test_the_cap_goes_to_measured_queries_then_positives_then_the_hardest_of_each(gold, partitions):
    scores, positives = gold
    cfg = LabelConfig(cap=80, measure_queries=2, measure_depth=3, held_out=0.4)
    measured = {row.query_id for row in choose_measured(scores, positives, cfg, SEED).collect()}

    found = choose_labelled(scores.repartition(partitions), positives, cfg, SEED).collect()

    chosen = {(row.query_id, row.doc_id) for row in found}
    assert len(found) == len(chosen) == 80
    assert {(query, f"{query}-{each}") for query in measured for each in ("p", "d0", "d1", "d2")} <= chosen
    assert sum(doc.endswith("-p") for _, doc in chosen) == 41  # every query's positive
    others = [(query, doc) for query, doc in chosen if query not in measured and not doc.endswith("-p")]
    assert len(others) == 80 - 41 - 6
    assert all(doc.endswith("-d0") for _, doc in others)  # nobody's second hardest before everybody's hardest
    again = choose_labelled(scores.repartition(2), positives, cfg, SEED).collect()
    assert chosen == {(row.query_id, row.doc_id) for row in again}


class LengthScorer:
    """A scorer whose answer depends on the texts alone."""

    digest = "lengths"

    def score(self, pairs):
        return np.array([len(query) / (len(query) + len(text)) for query, text in pairs])


def test_scores_come_back_rounded_with_the_model_that_gave_them_and_the_rest_stays_null(rows):
    scores = rows(SCORES, score("q", "a", 0.5), score("q", "n", 0.4), score("q", "over the cap", 0.3))
    synthetic = ("r", "negative", "n", "written text", "a", "q", None, None)
    pairs = add_texts(
        scores.where("doc_id != 'over the cap'").select("query_id", "doc_id"),
        rows(POSITIVES, positive("q", "p")),
        rows(DOCUMENTS, document("a", "abc")),
        rows(SYNTHETICS, synthetic),
        LabelConfig(),
    )

    found = as_dicts(attach_teacher(scores, score_pairs(pairs, LengthScorer)), "doc_id")

    assert found["a"]["teacher"] == round(9 / 12, 6)
    assert found["n"]["teacher"] == round(9 / 21, 6)
    assert found["a"]["teacher_model"] == "lengths"
    assert (found["over the cap"]["teacher"], found["over the cap"]["teacher_model"]) == (None, None)


def test_texts_are_cut_before_they_travel(rows):
    pairs = rows(SCORES, score("q", "a", 0.5)).select("query_id", "doc_id")
    found = add_texts(
        pairs,
        rows(POSITIVES, positive("q", "p")),
        rows(DOCUMENTS, document("a", "x" * 10_000)),
        rows(SYNTHETICS),
        LabelConfig(max_length=16),
    )
    assert len(found.first().text) == 256
