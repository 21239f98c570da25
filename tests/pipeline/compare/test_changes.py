"""What differs between two builds, and why: a text that changed is not a document that is gone."""

from pipeline.compare.changes import compare_documents, compare_pairs
from schemas.documents import DOCUMENTS

PAIRS = "query_id string, doc_id string, drop_reason string"


def document(doc_id, native, reason=None):
    return (doc_id, "s", "f", 1, native, "", "text", [], "f", "d", None, 4, "h", reason)


def test_a_changed_text_a_lost_document_and_a_pair_that_other_articles_moved_have_reasons_of_their_own(spark, rows):
    before = rows(DOCUMENTS, *[document(f"{name}1", name) for name in ("edited", "gone", "stays", "twin")])
    after = rows(
        DOCUMENTS,
        document("edited2", "edited"),
        document("stays1", "stays"),
        document("twin1", "twin", "near_duplicate"),
        document("new1", "new"),
    )
    was = spark.createDataFrame([("q", f"{name}1", None) for name in ("edited", "gone", "stays", "twin")], PAIRS)
    now = spark.createDataFrame([("q", "edited2", None), ("q", "new1", None)], PAIRS)

    documents = {tuple(row) for row in compare_documents(before, after).collect()}
    pairs = {tuple(row) for row in compare_pairs(was, now, (before, after)).collect()}

    assert documents == {
        ("changed", "text changed", "edited2"),
        ("removed", "gone from the sources", "gone1"),
        ("removed", "near_duplicate", "twin1"),
        ("added", "new", "new1"),
    }
    assert pairs == {
        ("removed", "text changed", "q:edited1"),
        ("added", "text changed", "q:edited2"),
        ("removed", "document gone from the sources", "q:gone1"),
        ("removed", "not found again", "q:stays1"),
        ("removed", "document near_duplicate", "q:twin1"),
        ("added", "new", "q:new1"),
    }
