"""The line of a finished stage: counts with their units, every reason with the setting that makes it."""

import pytest

from jobs.runtime.stage_line import SPACE, count_text, rate_text, stage_line
from schemas.documents import DUPLICATES, REJECTS


def line(outputs, seconds=4.0, built=True, says_none=(), before=None, **notes):
    manifest = {"outputs": outputs, "notes": notes, "seconds": seconds}
    return stage_line("pair", manifest, built, says_none, before).replace(SPACE, " ")


def test_every_reason_that_a_setting_makes_names_it_the_most_frequent_first():
    reasons = {"kept": 984, "query_too_short": 210, "duplicate_pair": 1, "query_in_text": 5}
    assert line({"positives": {"rows": 1200, "reasons": reasons}}) == (
        "pair        1,200 -> 984 positives: query_too_short (pair.min_words) 210, query_in_text 5, "
        "duplicate_pair (pair.pair_similarity) 1  4.0 s  300 rows/s"
    )


def test_an_empty_table_is_named_only_where_that_is_news():
    outputs = {"duplicates": {"rows": 0}, "rejects": {"rows": 0}, "documents": {"rows": 2, "reasons": {"kept": 2}}}
    assert line(outputs) == "pair        2 documents  4.0 s  0.50 rows/s"
    assert "0 duplicates; 0 rejects; 2 documents" in line(outputs, says_none=(DUPLICATES, REJECTS))


def test_a_headline_stands_for_the_counts_and_what_is_kept_says_so():
    assert line({"model": {}}, headline="12 steps", built=False) == "pair        12 steps  (kept from an earlier build)"


def test_what_a_stage_remarks_follows_its_headline_or_its_counts():
    assert "2 scores; the teacher scored 1 pairs  4.0 s" in line(
        {"scores": {"rows": 2}}, remarks=["the teacher scored 1 pairs"]
    )
    assert "12 steps; no teacher  4.0 s" in line({"model": {}}, headline="12 steps", remarks=["no teacher"])


def test_a_rate_says_something_below_one_too():
    assert [rate_text(each, "rows") for each in (1234.5, 3.21, 0.25)] == ["1,234 rows/s", "3.2 rows/s", "0.25 rows/s"]


def test_what_an_earlier_stage_dropped_is_not_said_again():
    before = {"documents": {"kept": 100, "near_duplicate": 20, "too_short": 3}}
    same = {"documents": {"rows": 123, "reasons": {"kept": 100, "near_duplicate": 20, "too_short": 3}}}
    assert line(same, before=before).startswith("pair        100 documents  ")
    more = {"documents": {"rows": 123, "reasons": {"kept": 90, "near_duplicate": 20, "too_short": 3, "leak": 10}}}
    assert "100 -> 90 documents: leak (guard.containment, guard.threshold) 10  " in line(more, before=before)


@pytest.mark.parametrize(
    ("count", "table", "words"),
    [(1, "rejects", "1 reject"), (0, "rejects", "0 rejects"), (1, "batches", "1 batch"), (1, "queries", "1 query")],
)
def test_one_row_is_named_in_the_singular(count, table, words):
    assert count_text(count, table) == words
