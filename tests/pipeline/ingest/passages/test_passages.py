"""Documents and their passages on Spark: who is cut, what is inherited, what is refused."""

import pytest

from pipeline.ids import hash_id
from pipeline.ingest.config import make_source
from pipeline.ingest.passages.config import PassageConfig, judged_sources
from pipeline.ingest.passages.passages import cut_documents, list_passages, put_passages
from schemas.documents import DOCUMENTS
from schemas.errors import RecipeError

LONG = "# One\n" + "Some words of the first part stand here. " * 6 + "\n\n# Two\n" + "And others of the second. " * 8


class Words:
    around = 2

    def count(self, texts):
        return [len(text.split()) for text in texts]


def document(doc_id, text, drop_reason=None, source="s"):
    return (
        doc_id,
        source,
        "a.md",
        3,
        f"n-{doc_id}",
        "Title",
        text,
        ["other"],
        "fam",
        "dom",
        "MIT",
        len(text),
        "h",
        drop_reason,
    )


@pytest.fixture
def documents(rows):
    return rows(
        DOCUMENTS,
        document("long", LONG),
        document("short", "A short text."),
        document("gone", LONG, "leak"),
        document("apart", LONG, source="t"),
        document("rest", "word " * 40 + "\n\n" + ". " * 50),
    )


CFG = PassageConfig(tokens=64, sources=("s",))
SOURCES = (make_source(name="s", format="text", path="."), make_source(name="t", format="text", path="."))


def parted(documents):
    cut = cut_documents(documents, Words, CFG, SOURCES).cache()
    return put_passages(documents, cut), list_passages(cut)


@pytest.mark.parametrize("partitions", [1, 7])
def test_long_documents_give_way_to_their_passages(documents, partitions):
    after, passages = parted(documents.repartition(partitions))
    rows = {row.doc_id: row for row in after.collect()}
    places = {(row.parent_id, row.place): row for row in passages.collect()}

    assert {name: rows[name].drop_reason for name in ("long", "short", "gone", "apart", "rest")} == {
        "long": "split",
        "short": None,
        "gone": "leak",
        "apart": None,
        "rest": "split",
    }
    assert rows["long"].text == LONG
    first, second = (rows[places["long", place].doc_id] for place in (1, 2))
    assert places["long", 1].doc_id == hash_id("long", "0", str(places["long", 1].end))
    assert (first.title, second.title) == ("One", "Two")
    assert (first.native_id, first.links) == ("n-long", ["other"])
    assert (second.native_id, second.links) == (None, [])
    for row in (first, second):
        assert (row.family, row.domain, row.license, row.path, row.line, row.drop_reason) == (
            "fam",
            "dom",
            "MIT",
            "a.md",
            3,
            None,
        )
        assert row.chars == len(row.text)
    assert second.text == LONG[places["long", 2].start : places["long", 2].end].partition("\n")[2].strip()
    assert rows[places["rest", 2].doc_id].drop_reason == "no_letters"
    assert len(rows) == 5 + len(places)


def test_parents_that_are_judged_as_wholes_are_refused():
    beir = make_source(name="b", format="beir", path=".")
    assert judged_sources(PassageConfig(tokens=64), [beir, *SOURCES]) == [
        "passages must leave out source b, whose judgements name whole documents; try passages.sources: [s, t]"
    ]
    assert "try sources.b.split: null" in judged_sources(PassageConfig(tokens=64), [beir])[0]
    assert judged_sources(CFG, [beir, *SOURCES]) == []
    assert judged_sources(PassageConfig(), [beir]) == []
    assert judged_sources(PassageConfig(tokens=64), [make_source(name="b", format="beir", path=".", split=None)]) == []
    assert (
        "passages.sources must be names of sources, got 'x'"
        in judged_sources(PassageConfig(tokens=64, sources=("x",)), SOURCES)[0]
    )


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"tokens": 31}, "tokens must be between 32 and"),
        ({"overlap": 8}, "overlap must be left out without tokens"),
        ({"tokens": 64, "overlap": 33}, r"overlap must be at most half of tokens \(32\)"),
    ],
)
def test_impossible_settings_are_refused(given, fault):
    with pytest.raises(RecipeError, match=fault):
        PassageConfig.from_mapping(given)
