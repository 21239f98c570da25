"""Examples: pairs for stage 1, pairs with judged negatives for stage 2, and what may not stand against each query."""

from __future__ import annotations

import pytest

from pipeline.assemble.config import AssembleConfig
from pipeline.assemble.examples import build_examples
from pipeline.ids import hash_id
from pipeline.queries import measure_queries
from schemas.documents import DOCUMENTS, DOMAINS, DUPLICATES, JUDGEMENTS, NEAR, SPLIT
from schemas.mining import DROPPED, KEPT, LIKELY_POSITIVE, POSITIVE, PROMOTED, RELABELLED, SURPLUS, VERDICTS, VETOED
from schemas.pairs import NEGATIVE, OWN_DOCUMENT, POSITIVES, QUERY_IN_TEXT, SEE_ALSO_MARK, SYNTHETICS
from schemas.shards import EXAMPLES, NO_NEGATIVES, PAIR_TASK, SURPLUS_EXAMPLE, TRIPLET_TASK


def document(doc_id, reason=None, native_id=None, line=1):
    return (doc_id, "src", "f", line, native_id, "", f"text of {doc_id}", [], doc_id, "raw", None, 20, doc_id, reason)


def positive(query_id, doc_id, rule="title", grade=1.0, reason=None):
    return (query_id, f"query {query_id}", doc_id, rule, grade, "raw", reason)


def verdict(query_id, doc_id, verdict=KEPT, rank=1, fn=0.1, teacher=None, reason=None):
    is_positive = reason == POSITIVE
    return (query_id, doc_id, is_positive, [], 0.5, None, teacher, None, fn, 0.5, verdict, rank, reason)


def negative(text_id, query_id, reason=None):
    return (f"r-{text_id}-{query_id}", NEGATIVE, text_id, f"written {text_id}", "a", query_id, None, reason)


@pytest.fixture
def build(rows):
    def make(
        positives,
        verdicts=(),
        docs="abcdefgh",
        synthetics=(),
        duplicates=(),
        judgements=(),
        documents=(),
        partitions=1,
        **settings,
    ):
        frames = (
            rows(VERDICTS, *verdicts),
            rows(POSITIVES, *positives),
            rows(SYNTHETICS, *synthetics),
            rows(DOCUMENTS, *[document(d) for d in docs], *documents),
            rows(DOMAINS, *[(d, "dom") for d in docs]),
            rows(DUPLICATES, *duplicates),
            rows(JUDGEMENTS, *judgements),
        )
        frames = [frame.repartition(partitions) for frame in frames]
        got = build_examples(*frames, AssembleConfig(**settings), 13)
        assert tuple(got.columns) == EXAMPLES.names
        return {(r.stage, r.query_id, r.positive_id): r for r in got.collect()}

    return make


def test_own_ids_of_query_positive_and_negatives_stand_beside_the_hashes(build, spark):
    """A passage goes by the id of the document that it is cut from; what a model wrote has none."""
    asked = "query q"
    (query_id,) = [
        row.query_id
        for row in measure_queries(spark.createDataFrame([(asked, "")], "query string, text string")).collect()
    ]
    got = build(
        [(query_id, asked, "own", "qrels", 1.0, "raw", None)],
        [verdict(query_id, name, rank=rank) for rank, name in enumerate(("passage", "a", "w"), start=1)],
        synthetics=[negative("w", query_id)],
        documents=[
            document("own", native_id="manual/7"),
            document("parent", SPLIT, native_id="guide.pdf", line=9),
            document("passage", line=9),
        ],
        judgements=[
            ("src", "q-17", asked, "manual/7", 1.0, None),
            ("other", "q-20", asked, "x", 1.0, None),
            ("src", f"a{SEE_ALSO_MARK}b", asked, "x", 1.0, None),
        ],
    )
    for stage in (1, 2):
        row = got[stage, query_id, "own"]
        assert (row.query_native_id, row.positive_native_id) == ("q-17", "manual/7")
    assert got[1, query_id, "own"].negative_native_ids == []
    assert row.negative_ids == ["passage", "a", "w"]
    assert row.negative_native_ids == ["guide.pdf", "", ""]


def test_what_has_no_id_of_its_own_says_so(build):
    row = build([positive("q", "a")], [verdict("q", "b")])[2, "q", "a"]
    assert (row.query_native_id, row.positive_native_id, row.negative_native_ids) == (None, None, [""])


def test_a_pair_makes_one_row_a_stage_with_its_texts_and_hardest_negatives(build):
    got = build(
        [positive("q", "a")],
        [
            verdict("q", "c", rank=2, teacher=0.3),
            verdict("q", "b", rank=1, fn=0.2),
            verdict("q", "d", rank=3),
            verdict("q", "a", DROPPED, reason=POSITIVE, teacher=0.9),
            verdict("q", "e", DROPPED, reason=SURPLUS),
        ],
        negatives=2,
    )

    one, two = got[1, "q", "a"], got[2, "q", "a"]
    assert (one.task, one.negative_ids, one.negatives, one.drop_reason) == (PAIR_TASK, [], [], None)
    assert one.example_id == two.example_id == hash_id("q", "a")
    assert (one.domain, one.query, one.positive) == ("dom", "query q", "text of a")
    assert (two.task, two.negative_ids, two.negatives) == (TRIPLET_TASK, ["b", "c"], ["text of b", "text of c"])
    assert (two.negative_fn, two.negative_teacher, two.positive_teacher) == ([0.2, 0.1], [-1.0, 0.3], 0.9)
    assert two.known_ids == ["a"]


def test_a_pair_without_judged_negatives_stays_in_stage_1_alone(build):
    got = build([positive("q", "a")], [verdict("q", "b", VETOED, reason=LIKELY_POSITIVE)])

    assert got[1, "q", "a"].drop_reason is None
    assert got[2, "q", "a"].drop_reason == NO_NEGATIVES


def test_a_promoted_candidate_becomes_a_positive(build):
    got = build([positive("q", "a")], [verdict("q", "b", RELABELLED, reason=PROMOTED), verdict("q", "c")])

    promoted = got[2, "q", "b"]
    assert (promoted.rule, promoted.query, promoted.positive) == ("promoted", "query q", "text of b")
    assert promoted.negative_ids == ["c"]
    assert promoted.known_ids == ["a", "b"]


def test_known_ids_are_positives_their_clusters_and_vetoed_candidates(build):
    got = build(
        [positive("q", "a"), positive("q", "d", reason=QUERY_IN_TEXT)],
        [verdict("q", "b", VETOED, reason=LIKELY_POSITIVE), verdict("q", "c")],
        duplicates=[("a2", "a", NEAR, 0.9, None), ("x", "y", NEAR, 0.9, None)],
    )

    assert got[1, "q", "a"].known_ids == ["a", "a2", "b", "d"]
    assert (1, "q", "d") not in got


def test_a_negative_that_the_query_knows_as_relevant_is_left_out(build):
    got = build(
        [positive("q", "a")],
        [verdict("q", "a2"), verdict("q", "b", rank=2)],
        docs=["a", "a2", "b"],
        duplicates=[("a2", "a", NEAR, 0.9, None)],
    )

    assert got[2, "q", "a"].negative_ids == ["b"]


def test_written_negatives_bring_their_text(build):
    got = build(
        [positive("q", "a")],
        [verdict("q", "s"), verdict("q", "t", rank=2)],
        synthetics=[negative("s", "q"), negative("s", "q2"), negative("t", "q")],
    )

    assert got[2, "q", "a"].negatives == ["written s", "written t"]


def test_pairs_over_a_share_or_a_querys_number_are_surplus(build):
    pairs = [positive("q", d, grade=float(i)) for i, d in enumerate("abc")]
    others = [positive(f"q{i}", "d", rule="links") for i in range(40)]

    got = build([*pairs, *others], positives_per_query=2, shares={"links": 0.5})

    assert [got[1, "q", d].drop_reason for d in "abc"] == [SURPLUS_EXAMPLE, None, None]
    assert 10 < sum(got[1, f"q{i}", "d"].drop_reason is None for i in range(40)) < 30


@pytest.mark.parametrize("partitions", [2, 7])
def test_examples_do_not_depend_on_partitioning(build, partitions):
    pairs = [positive(f"q{i}", d) for i in range(5) for d in "abcd"]
    verdicts = [verdict(f"q{i}", d, rank=1) for i in range(5) for d in "efgh"]

    assert build(pairs, verdicts, partitions=partitions, positives_per_query=2, negatives=2) == build(
        pairs, verdicts, positives_per_query=2, negatives=2
    )


def test_a_text_that_is_missing_is_empty_and_left_for_the_audit_to_find(build):
    assert build([positive("q", "gone")])[1, "q", "gone"].positive == ""


def test_no_query_meets_its_own_document_or_what_answers_another_spelling_of_it(build):
    own = positive("q", "b", reason=OWN_DOCUMENT)
    spelt = ("r", "Query Q?", "c", "title", 1.0, "raw", None)

    got = build([positive("q", "a"), own, spelt])

    assert got[1, "q", "a"].known_ids == ["a", "b", "c"]
    assert got[1, "r", "c"].known_ids == ["a", "b", "c"]
