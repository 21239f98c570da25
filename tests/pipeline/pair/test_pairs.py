"""Positives from titles, links and judgements, and why some of them are not fit."""

import pytest

from pipeline.ids import hash_text
from pipeline.pair.config import PairConfig
from pipeline.pair.pairs import count_judged, pair_documents
from schemas.documents import DOCUMENTS, DOMAINS, DUPLICATES, EVAL_QUERIES, JUDGEMENTS
from schemas.errors import RecipeError

SEED = 3


def doc(doc_id, title="", text="A text about something else.", *, links=(), reason=None, domain="d", native=None):
    return (
        doc_id,
        "s",
        "a.jsonl",
        1,
        native or f"n{doc_id}",
        title,
        text,
        list(links),
        "f",
        domain,
        None,
        len(text),
        hash_text(text),
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
            rows(JUDGEMENTS, *[(*each, *([None] * (len(JUDGEMENTS.names) - len(each)))) for each in judgements]),
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
    assert found.collect()[0].query_id == hash_text("How to brew tea")


@pytest.mark.parametrize(
    ("title", "text", "reason"),
    [
        ("Tea", "Some text.", "query_too_short"),
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
    assert len({row.query_id for row in kept}) == 2, (
        "what is too common is counted over spellings, an id is a text's own"
    )


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

    assert story(found) == [("tea?", "1", "qrels", None), ("tea?", "3", "qrels", "document_dropped")]
    assert found.where("doc_id = '1'").collect()[0].grade == 2.0


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
    found = pairs(doc("1", "how to brew tea?"), judgements=[("s", "q1", "how to brew tea?", "n1", 3.0)])

    assert story(found) == [("how to brew tea?", "1", "qrels", None)]
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

    # Thirteen words: one more makes 13/14. What people judged stays, however alike; a title goes.
    assert found.pop((f"{long} winter, please", "1")) == "duplicate_pair"
    assert {*found.values()} == {None}
    alike = story(pairs(*docs, judgements=judged, cfg=PairConfig(pair_similarity=1.0)))
    assert {reason for *_, reason in alike} == {None}


def test_what_people_judged_is_not_dropped_for_its_form(pairs):
    judged = [
        ("s", "q1", "🍕", "n1", 1.0),
        ("s", "q2", "long " * 99, "n2", 1.0),
        ("s", "q3", "tea", "n3", 1.0),
    ]

    found = story(pairs(doc("1"), doc("2"), doc("3", text="All about tea."), judgements=judged))

    assert [reason for *_, reason in found] == [None, None, None]


def test_a_query_that_is_a_document_is_neither_its_answer_nor_its_negative(pairs):
    argument = "Tea is better than coffee, since it keeps one calm."
    judged = [("s", "n1", argument, "n2", 1.0), ("s", "q5", "coffee", "n3", 1.0), ("s", "n4", "judged so", "n4", 1.0)]
    docs = [
        doc("1", text=f"On tea. {argument}"),  # the same id, with a title before it
        doc("2", text="Coffee keeps one awake."),
        doc("3", text="coffee"),  # the same text
        doc("4", text="A person says that this answers its own id, judged so."),
        doc("5", text="Of the same number, by chance.", native="q5"),
    ]

    found = story(pairs(*docs, judgements=judged))

    assert [(doc_id, reason) for _, doc_id, _, reason in found] == [
        ("1", "own_document"),
        ("2", None),
        ("3", "own_document"),
        ("4", None),
    ]


@pytest.mark.parametrize("title", ["C", "C++", "C#", "बल", "बाल"])
def test_titles_that_a_reader_tells_apart_are_queries_of_their_own(pairs, title):
    docs = [doc("1", f"What is {title} good for"), doc("2", "What is it good for"), doc("3", "What is बेल good for")]

    found = pairs(*docs).collect()

    assert len({row.query_id for row in found}) == 3


def test_judged_pairs_that_go_are_counted_by_reason(rows, pairs):
    docs = [doc("1"), doc("2", reason="held_out"), doc("3", reason="held_out"), doc("4", reason="too_short")]
    judged = [("s", f"q{n}", f"question {n}", f"n{n}", 1.0) for n in range(1, 5)]

    lost = count_judged(pairs(*docs, judgements=judged), rows(DOCUMENTS, *docs))

    assert [tuple(row) for row in lost.collect()] == [("held_out", 2), ("too_short", 1)]


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
