"""Positives from titles, links and judgements, and why some of them are not fit."""

import pytest

from pipeline.ids import hash_id
from pipeline.pair.config import PairConfig
from pipeline.pair.pairs import pair_documents
from schemas.documents import DOCUMENTS, DOMAINS, DUPLICATES, EVAL_QUERIES, JUDGEMENTS
from schemas.errors import RecipeError

SEED = 3


def doc(doc_id, title="", text="A text about something else.", *, links=(), reason=None, domain="d"):
    return (
        doc_id,
        "s",
        "a.jsonl",
        1,
        f"n{doc_id}",
        title,
        text,
        list(links),
        "f",
        domain,
        None,
        len(text),
        "h",
        reason,
    )


@pytest.fixture
def pairs(rows):
    def make(*docs, judgements=(), duplicates=(), protected=(), cfg=None, partitions=None):
        documents = rows(DOCUMENTS, *docs)
        if partitions:
            documents = documents.repartition(partitions)
        domains = rows(DOMAINS, *[(each[0], each[9]) for each in docs if each[-1] is None])
        return pair_documents(
            documents,
            domains,
            rows(JUDGEMENTS, *((*each, None) for each in judgements)),
            rows(DUPLICATES, *duplicates),
            rows(EVAL_QUERIES, *[("e", str(n), text, "d") for n, text in enumerate(protected)]),
            cfg or PairConfig(),
            SEED,
        )

    return make


def story(frame):
    return sorted((row.query, row.doc_id, row.rule, row.drop_reason) for row in frame.collect())


def test_a_title_is_a_query_for_its_text(pairs):
    found = pairs(
        doc("1", "How to brew tea"), doc("2", "", "No title at all."), doc("3", "Of a dropped one", reason="leak")
    )

    assert story(found) == [("How to brew tea", "1", "title", None)]
    assert found.collect()[0].query_id == hash_id("how to brew tea")


@pytest.mark.parametrize(
    ("title", "text", "reason"),
    [
        ("Brew tea", "Some text.", "query_too_short"),
        ("one two three four five", "Some text.", "query_too_long"),
        ("Tea, brewed well", "On tea brewed WELL and more.", "query_in_text"),
        ("Tea, brewed well", "On tea brewed wellness.", None),
        ("!!! ??? ...", "Some text.", "query_too_short"),
    ],
)
def test_an_unfit_title_is_kept_with_its_reason(pairs, title, text, reason):
    [(_, _, _, got)] = story(pairs(doc("1", title, text), cfg=PairConfig(max_words=4)))

    assert got == reason


def test_a_title_of_many_documents_means_none_of_them(pairs):
    docs = [doc(str(n), "Docstring of the base" if n % 2 else "docstring of the BASE!") for n in range(4)]

    assert {reason for *_, reason in story(pairs(*docs))} == {"query_too_common"}
    kept = pairs(*docs, cfg=PairConfig(max_docs_per_query=4)).collect()
    assert {row.drop_reason for row in kept} == {None}
    assert len({(row.query_id, row.query) for row in kept}) == 1, "equal queries share id and spelling"


def test_judged_queries_reach_their_documents_and_the_survivors_of_dropped_ones(pairs):
    judged = [
        ("s", "q1", "tea?", "n1", 1.0),
        ("s", "q1", "tea?", "n2", 2.0),
        ("s", "q1", "tea?", "n3", 1.0),
        ("s", "q2", "gone", "n9", 1.0),
    ]
    found = pairs(
        doc("1"),
        doc("2", reason="near_duplicate"),
        doc("3", reason="held_out"),
        judgements=judged,
        duplicates=[("2", "1", "near", 0.9, None)],
    )

    assert story(found) == [("tea?", "1", "qrels", None)]
    assert found.collect()[0].grade == 2.0


def test_see_also_pairs_what_it_says_and_asks_for_relatives(pairs):
    said = [("s", "n1 see also 2", "Brew coffee in a pot", "n2", 1.0)]
    found = story(
        pairs(
            doc("1", "How to brew tea", links=["n2", "n7"]), doc("2"), judgements=said, cfg=PairConfig(rules=("links",))
        )
    )

    assert found == [
        ("Brew coffee in a pot", "2", "links", None),
        ("see also n1: How to brew tea", "1", "links", None),
        ("see also n1: How to brew tea", "2", "links", None),
    ]


def test_nothing_is_asked_where_no_relative_is_left(pairs):
    assert (
        story(
            pairs(
                doc("1", "How to brew tea", links=["n1", "n2"]),
                doc("2", reason="leak"),
                cfg=PairConfig(rules=("links",)),
            )
        )
        == []
    )


def test_a_pair_of_two_rules_is_one_row_of_the_stronger_rule(pairs):
    found = pairs(doc("1", "How to brew tea"), judgements=[("s", "q1", "how to brew tea?", "n1", 3.0)])

    assert story(found) == [("How to brew tea", "1", "qrels", None)]
    assert found.collect()[0].grade == 3.0


def test_queries_near_a_protected_one_are_not_trained_on(pairs):
    found = story(
        pairs(doc("1", "How to brew tea at home"), doc("2", "How to drink tea"), protected=["At home: how to brew tea"])
    )

    assert [reason for *_, reason in found] == ["protected_query", None]


def test_pairs_of_one_document_that_ask_nearly_the_same_are_one_pair(pairs):
    long = "how to brew a good pot of green tea at home in"
    judged = [
        ("s", "q1", f"{long} winter", "n1", 1.0),
        ("s", "q2", f"in winter {long.removesuffix(' in')}", "n1", 1.0),
        ("s", "q3", f"{long} summer", "n1", 1.0),
        ("s", "q4", f"{long} winter", "n2", 1.0),
    ]
    docs = [doc("1", f"{long} winter, please"), doc("2")]

    found = {(query, doc_id): reason for query, doc_id, _, reason in story(pairs(*docs, judgements=judged))}

    # Thirteen words: one more makes 13/14, one other makes 12/14. Judged pairs are better than a title, the same words
    # in another order are the same, and the other document has its own pair.
    reasons = [found.pop((f"{long} summer", "1")), found.pop((f"{long} winter", "2"))]
    assert reasons == [None, None]
    assert found.pop((f"{long} winter, please", "1")) == "duplicate_pair"
    assert sorted(map(str, found.values())) == ["None", "duplicate_pair"]
    assert {
        *map(
            str,
            (
                reason
                for *_, reason in story(pairs(*docs, judgements=judged, cfg=PairConfig(pair_similarity=1.0)))
                if reason
            ),
        )
    } == {"duplicate_pair"}


@pytest.mark.parametrize("partitions", [1, 3, 7])
def test_the_surplus_of_a_domain_is_drawn_alike_however_the_input_is_partitioned(pairs, partitions):
    docs = [doc(str(n), f"The title with number {n}", domain="ab"[n % 2]) for n in range(12)]

    def kept(number):
        frame = pairs(*docs, cfg=PairConfig(max_per_rule=2), partitions=number)
        assert frame.count() == 12
        return {row.doc_id for row in frame.where("drop_reason is null").collect()}

    assert len(kept(partitions)) == 4
    assert kept(partitions) == kept(None)


@pytest.mark.parametrize("settings", [{"rules": ()}, {"rules": ("titles",)}, {"min_words": 9, "max_words": 3}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(RecipeError):
        PairConfig(**settings)
