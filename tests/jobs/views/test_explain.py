"""explain finds what a person means by whatever they know it by, says what that was, and lists several."""

from __future__ import annotations

import pytest

from jobs.views.explain import explain
from schemas.documents import DOCUMENTS, EVAL_QRELS, EVAL_QUERIES, JUDGEMENTS, TOO_SHORT
from schemas.errors import RecipeError
from schemas.mining import LIKELY_POSITIVE, VERDICTS, VETOED
from schemas.pairs import POSITIVES, QRELS, QUERY_TOO_SHORT, TITLE
from tests.jobs.views.workspace import FakeWorkspace

MANY = [
    (f"m{at}", "bulk", "all.jsonl", at, None, "one title", "text", [], "f", "d", None, 4, "h", None)
    for at in range(1, 13)
]


def document(doc_id, path, line, native_id, title, reason=None, source="handbook"):
    return (doc_id, source, path, line, native_id, title, f"text of {title}", [], doc_id, "d", None, 9, doc_id, reason)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    place = FakeWorkspace(tmp_path_factory.mktemp("workspace"))
    documents = [
        document("a1", "guide/intro.md", 1, "intro", "First Steps"),
        document("b2", "other/intro.md", 1, "77", "Second steps"),
        document("c3", "notes.jsonl", 3, "77", "Short", TOO_SHORT, "notes"),
        *MANY,
    ]
    place.build("ingest", [(DOCUMENTS, documents), (JUDGEMENTS, [("qa", "q-12", "how to begin", "intro", 1.0, None)])])
    place.build(
        "holdout",
        [
            (EVAL_QUERIES, [("heldout", "e9", "what is kept out", "d")]),
            (EVAL_QRELS, [("heldout", "e9", "c3", 2)]),
        ],
    )
    positives = [
        ("p1", "how to begin", "a1", QRELS, 1.0, "d", None),
        ("p2", "steps", "b2", TITLE, 1.0, "d", QUERY_TOO_SHORT),
    ]
    place.build("pair", [(POSITIVES, positives)])
    place.build("synthesise", [(POSITIVES, positives)])
    veto = (
        "p1",
        "b2",
        False,
        [{"retriever": "ann", "rank": 1, "score": 0.8}],
        0.8,
        None,
        None,
        None,
        0.6,
        0.3,
        VETOED,
        1,
        LIKELY_POSITIVE,
    )
    place.build("judge", [(VERDICTS, [veto])])
    return place.path


@pytest.mark.parametrize(
    ("what", "kind", "told"),
    [
        ("a1", "a1 is the id of a document", "from      source handbook, guide/intro.md line 1, intro"),
        ("intro", "'intro' is the id that its source gives of a1", "First Steps"),
        ("guide/intro.md", "'guide/intro.md' is the place of a1", "First Steps"),
        ("./data/guide/intro.md", "is the place of a1", "First Steps"),
        ("/home/someone/data/guide/intro.md:1", "is the place of a1", "First Steps"),
        ("notes.jsonl:3", "'notes.jsonl:3' is the place of c3", "ingest    too_short (sources.notes.min_chars)"),
        ("first steps", "'first steps' is the title of a1", "positive  of p1 by rule qrels: kept"),
        ("Second  steps", "is the title of b2", "query_too_short (pair.min_words)"),
        ("q-12", "'q-12' is the id that its source gives the query of p1", "query p1"),
        ("How to begin", "is the text of p1", "likely_positive"),
        ("what is kept out", "is the text, held out for evaluation, of e9", "  answer    c3, grade 2"),
        ("e9", "e9 is the id of an evaluation query", "evaluation query e9 of the set heldout"),
        ("c3", "c3 is the id of a document", "  measured  answers query e9 of the set heldout"),
        ("p1:b2", "p1:b2 is a query and one of its candidates", "judged    vetoed, likely_positive (judge.tolerance)"),
    ],
)
def test_a_thing_is_found_by_whatever_it_is_known_by(build, what, kind, told):
    story = explain(build, what)

    assert kind in story.splitlines()[0]
    assert told in story


def test_several_things_are_listed_with_what_tells_them_apart(build):
    head, *lines = explain(build, "77").splitlines()
    assert head.startswith("'77' means 2 things")
    assert lines == [
        "  b2  the id that its source gives: other/intro.md:1, 77, Second steps (of handbook)",
        "  c3  the id that its source gives: notes.jsonl:3, 77, Short (of notes)",
    ]
    assert explain(build, "intro.md").count("the place: ") == 2


def test_a_long_list_is_cut_and_says_how_long_it_is(build):
    lines = explain(build, "all.jsonl").splitlines()
    assert lines[0].startswith("'all.jsonl' means 12 things")
    assert (len(lines), lines[-1]) == (12, "  and 2 more")
    assert explain(build, "all.jsonl:7").splitlines()[0] == "'all.jsonl:7' is the place of m7"


@pytest.mark.parametrize("what", ["nothing of the kind", "", ":", "guide", "intro.md:99", "tro.md"])
def test_what_nobody_knows_is_one_clear_line(build, what):
    with pytest.raises(RecipeError, match=r"id must be known to the build of tiny, got .*; try a title, a path"):
        explain(build, what)
