"""Judged and linked documents stay whatever their length, unless the recipe sets a limit."""

import pytest

from pipeline.ids import hash_text
from pipeline.ingest.clean.judged import count_judged, keep_judged
from pipeline.ingest.config import make_source
from schemas.documents import DOCUMENTS, JUDGEMENTS


def document(name, text, reason, links=()):
    return (name, "s", "f", 1, name, "", text, list(links), name, "d", None, len(text), hash_text(text), reason)


@pytest.fixture
def tables(rows):
    documents = rows(
        DOCUMENTS,
        document("judged", "ls", "too_short"),
        document("linked", "pwd", "too_short"),
        document("nobody", "cd", "too_short"),
        document("letterless", "-5", "no_letters"),
        document("empty", "", "too_short"),
        document("long", "long", "too_long"),
        document("again", "ls -l", "duplicate_id"),
        document("kept", "a text", None, links=["linked"]),
    )
    judged = [("s", f"q{n}", "asks", name) for n, name in enumerate(["judged", "letterless", "empty", "long", "again"])]
    more = [("s", "q9", "asks too", "judged"), ("s", "x see also y", "related", "nobody2")]
    padding = [None] * (len(JUDGEMENTS.names) - 5)
    return documents, rows(JUDGEMENTS, *[(*each, 1.0, *padding) for each in judged + more])


def dropped(documents):
    return {row.doc_id: row.drop_reason for row in documents.collect() if row.drop_reason}


def test_what_a_default_drops_stays_where_somebody_points_at_it(tables):
    sources = [make_source(name="s", format="jsonl", path="x")]

    assert dropped(keep_judged(*tables, sources)) == {
        "nobody": "too_short",
        "empty": "too_short",
        "again": "duplicate_id",
    }


def test_a_limit_of_the_recipe_holds_for_all_and_what_went_is_counted(tables):
    sources = [make_source(name="s", format="jsonl", path="x", min_chars=5, max_chars=90)]

    documents = keep_judged(*tables, sources)

    assert "letterless" not in dropped(documents)
    assert [tuple(row) for row in count_judged(documents, tables[1]).collect()] == [
        ("too_long", 1, 1),
        ("too_short", 2, 3),
    ]
