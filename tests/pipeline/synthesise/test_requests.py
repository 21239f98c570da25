"""Which shots are shown and which documents and pairs are asked about."""

from collections import Counter

import pytest

from pipeline.ids import hash_text
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.prompts import BUILT_IN
from pipeline.synthesise.requests import add_shot_negatives, choose_shots, plan_requests
from schemas.pairs import NEGATIVE, POSITIVES, QUERY, QUERY_TOO_COMMON

SEED = 7


def query_id(query):
    return hash_text(query)


def hits(spark, *given):
    return spark.createDataFrame(
        [(query_id(query), doc, rank) for query, doc, rank in given] or [("none", "none", 1)],
        "query_id string, doc_id string, rank int",
    )


def shots_of(frame):
    return {(row.domain, row.place): row.doc_id for row in frame.collect()}


def test_a_domain_shows_its_own_pairs_first_and_borrows_the_rest(corpus):
    given = [(f"a{i}", "a", f"query a {i}", None) for i in range(5)] + [
        ("b0", "b", "query b 0", None),
        ("c0", "c", None, None),
    ]
    found = shots_of(choose_shots(*corpus(*given), SynthesiseConfig(shots=3), SEED))
    assert all(found[("a", place)].startswith("a") for place in (1, 2, 3))
    assert found[("b", 1)] == "b0"
    assert {found[("b", place)][0] for place in (2, 3)} == {"a"}
    assert [("c", place) in found for place in (1, 2, 3, 4)] == [True, True, True, False]
    assert all(len({doc for (domain, _), doc in found.items() if domain == each}) == 3 for each in "abc")


def test_only_kept_pairs_of_kept_documents_about_themselves_are_shots(corpus, rows):
    documents, domains, positives = corpus(
        ("good", "a", "good query", None),
        ("gone", "a", "gone query", "leak"),
        ("common", "a", None, None),
        ("linked", "a", None, None),
    )
    extra = rows(
        POSITIVES,
        ("qc", "common query", "common", "title", 1.0, "a", QUERY_TOO_COMMON),
        ("ql", "see also", "linked", "links", 1.0, "a", None),
        ("qg", "gone", "gone", "title", 1.0, "a", None),
    )
    found = choose_shots(documents, domains, positives.unionByName(extra), SynthesiseConfig(), SEED)
    assert {row.doc_id for row in found.collect()} == {"good"}


def test_judged_pairs_come_before_titles(corpus):
    documents, domains, titles = corpus(*[(f"d{i}", "a", f"title {i}", None) for i in range(6)])
    judged = titles.where("doc_id = 'd3'").selectExpr(
        "'qj' query_id", "'judged' query", "doc_id", "'qrels' rule", "grade", "domain", "drop_reason"
    )
    found = choose_shots(documents, domains, titles.unionByName(judged), SynthesiseConfig(shots=2), SEED)
    assert next(row.query for row in found.orderBy("place").collect()) == "judged"


def test_a_shot_shows_a_later_hit_that_is_no_positive_of_its_query(spark, corpus):
    documents, domains, positives = corpus(
        ("a", "x", "one", None),
        ("b", "x", "two", None),
        ("c", "x", None, None),
        ("d", "x", None, None),
        ("e", "x", None, None),
    )
    shots = choose_shots(documents, domains, positives, SynthesiseConfig(), SEED)
    found = hits(
        spark, ("one", "a", 1), ("one", "b", 2), ("one", "c", 3), ("one", "d", 4), ("two", "b", 1), ("two", "e", 2)
    )
    got = {row.query: row.negative for row in add_shot_negatives(shots, found, documents, positives).collect()}
    assert got["one"].startswith(("c text", "d text"))
    assert got["two"].startswith("e text")
    shifted = found.replace({3: 4, 4: 3}, subset=["rank"])  # as a new document does to scores that are close
    again = {row.query: row.negative for row in add_shot_negatives(shots, shifted, documents, positives).collect()}
    assert again == got


def test_a_shot_whose_search_found_nothing_else_has_no_negative(spark, corpus):
    documents, domains, positives = corpus(("a", "x", "one", None))
    shots = choose_shots(documents, domains, positives, SynthesiseConfig(), SEED)
    got = add_shot_negatives(shots, hits(spark, ("one", "a", 1)), documents, positives)
    assert [row.negative for row in got.collect()] == [None]


def planned(spark, frames, partitions=None, **settings):
    cfg = SynthesiseConfig(**{"shots": 1, "negative_shots": 1} | settings)
    frames = [frame.repartition(partitions) if partitions else frame for frame in frames]
    documents, domains, positives = frames
    shots = choose_shots(documents, domains, positives, cfg, SEED)
    shown = add_shot_negatives(shots, hits(spark), documents, positives)
    return plan_requests(documents, domains, positives, shown, cfg, SEED).collect()


def test_documents_without_gold_come_first_and_domains_in_turn(spark, corpus):
    given = [(f"a{i}", "a", f"query a {i}", None) for i in range(6)] + [(f"n{i}", "a", None, None) for i in range(8)]
    given += [(f"m{i}", "b", None, None) for i in range(3)]
    rows = planned(spark, corpus(*given), queries=6, negatives=0)
    assert Counter(row.doc_id[0] for row in rows) == {"n": 3, "m": 3}
    rows = planned(spark, corpus(*given), queries=12, negatives=0)
    assert Counter(row.doc_id[0] for row in rows) == {"n": 8, "m": 3, "a": 1}


def test_what_is_shown_as_a_shot_is_not_asked_about(spark, corpus):
    given = [("a0", "a", "query a", None), ("a1", "a", "other a", None)]
    rows = planned(spark, corpus(*given), queries=10, negatives=10)
    prompt = next(row.prompt for row in rows if row.kind == QUERY)
    other = next(doc for doc, _, query, _ in given if f"=> {query}\n" not in prompt)
    assert {(row.kind, row.doc_id) for row in rows} == {(QUERY, other), (NEGATIVE, other)}


def test_a_negative_is_asked_for_a_gold_pair_and_shows_both_sides(spark, corpus):
    given = [(f"a{i}", "a", f"query number {i}", None) for i in range(4)]
    rows = [row for row in planned(spark, corpus(*given), queries=0, negatives=2) if row.kind == NEGATIVE]
    assert len(rows) == 2
    for row in rows:
        query = next(query for doc, _, query, _ in given if doc == row.doc_id)
        assert row.query_id == query_id(query)
        assert row.prompt.split("\n")[-3] == query
        assert row.prompt.split("\n")[-2].startswith(f'+ "{row.doc_id} text')


def test_short_and_dropped_documents_are_not_asked_about(spark, corpus):
    frames = corpus(("kept", "a", None, None), ("gone", "a", None, "leak"), ("short", "a", None, None))
    documents = frames[0].selectExpr(
        *[f"if(doc_id = 'short', 119, {name}) {name}" if name == "chars" else name for name in frames[0].columns]
    )
    rows = planned(spark, (documents, *frames[1:]), queries=9, negatives=0)
    assert [row.doc_id for row in rows] == ["kept"]


def test_a_corpus_without_gold_is_shown_the_built_in_shots(spark, corpus):
    rows = planned(spark, corpus(("a", "x", None, None)), queries=1)
    assert BUILT_IN[0].query in rows[0].prompt


@pytest.mark.parametrize("partitions", [1, 3, 7])
def test_the_requests_are_the_same_however_the_input_is_partitioned(spark, corpus, partitions):
    given = [(f"{d}{i}", d, f"query {d} {i}" if i % 3 else None, None) for d in "abc" for i in range(9)]
    frames = corpus(*given)
    settings = {"queries": 9, "negatives": 7, "shots": 3, "negative_shots": 2}
    want = sorted(planned(spark, frames, **settings))
    assert sorted(planned(spark, frames, partitions, **settings)) == want
    assert len({row.request_id for row in want}) == 16
