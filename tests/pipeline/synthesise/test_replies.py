"""What becomes of replies: every one is accounted for, the gates drop with their reasons, gold stays as it was."""

import pytest

from pipeline.guard.config import GuardConfig
from pipeline.ids import hash_text
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.gates import flag_protected, judge_synthetics
from pipeline.synthesise.replies import parse_replies, unite_positives
from schemas.documents import DOMAINS, EVAL_CORPUS, EVAL_QUERIES, LEAK
from schemas.pairs import (
    COPY,
    DUPLICATE_TEXT,
    NEGATIVE,
    POSITIVES,
    PROTECTED_QUERY,
    QUERY,
    QUERY_TOO_COMMON,
    REPLIES,
    REQUESTS,
    ROUND_TRIP,
    UNPARSABLE,
)

CFG = SynthesiseConfig(round_trip_depth=3)
PARSED = (
    "request_id string, kind string, text_id string, text string, doc_id string, query_id string, drop_reason string"
)


def query_id(text):
    return hash_text(text)


def parsed_of(spark, *given):
    """(request_id, text, doc_id[, kind, drop_reason]) as parse_replies returns them."""
    full = [(*each, QUERY, None)[:5] if len(each) == 3 else each for each in given]
    return spark.createDataFrame(
        [
            (request, kind, query_id(text), text, doc, None if kind == QUERY else "q", reason)
            for request, text, doc, kind, reason in full
        ],
        PARSED,
    )


def frame(spark, schema, *rows):
    return spark.createDataFrame(list(rows), schema)


def hits(spark, *given):
    return frame(
        spark, "query_id string, doc_id string, rank int", *[(query_id(text), doc, rank) for text, doc, rank in given]
    )


def leaks(spark, *given):
    return frame(spark, "text_id string, leak string", *[(query_id(text), why) for text, why in given])


def outcome(judged):
    return {row.request_id: row.drop_reason for row in judged.collect()}


def test_every_reply_is_parsed_and_accounted_for(rows, corpus):
    documents, _, _ = corpus(("d1", "a", None, None), ("d2", "a", None, None))
    requests = rows(
        REQUESTS,
        ("1", QUERY, "d1", None, "p"),
        ("2", QUERY, "d2", None, "p"),
        ("3", QUERY, "d2", None, "p"),
        ("4", NEGATIVE, "d1", "q", "p"),
        ("5", QUERY, "d1", None, "shown in the prompt"),
    )
    replies = rows(
        REPLIES,
        ("1", " what is d1 about\n", "stop", "m"),
        ("2", "word3 word4 word5 word6 word7", "stop", "m"),
        ("3", "", "error", "m"),
        ("4", ' "it is something else, and longer than eleven words of plain text."', "stop", "m"),
        ("5", "shown in the prompt", "stop", "m"),
    )
    got = {row.request_id: row for row in parse_replies(requests, replies, documents, CFG).collect()}
    assert {key: row.drop_reason for key, row in got.items()} == {
        "1": None,
        "2": COPY,
        "3": UNPARSABLE,
        "4": None,
        "5": COPY,
    }
    assert got["1"].text == "what is d1 about"
    assert got["1"].text_id == query_id("what is d1 about")
    assert got["4"].query_id == "q"
    assert got["4"].text.startswith("it is something else")
    assert got["3"].text == ""


def test_a_query_must_find_its_document(spark, rows):
    parsed = parsed_of(
        spark,
        ("found", "one", "d1"),
        ("deep", "two", "d1"),
        ("lost", "three", "d1"),
        ("negative", "four", "d1", NEGATIVE, None),
    )
    found = hits(spark, ("one", "d0", 1), ("one", "d1", 3), ("two", "d1", 4), ("three", "d0", 1))
    judged = judge_synthetics(parsed, found, leaks(spark), rows(POSITIVES), CFG)
    assert outcome(judged) == {"found": None, "deep": ROUND_TRIP, "lost": ROUND_TRIP, "negative": None}
    assert {row.request_id: row.round_trip_rank for row in judged.collect()}["found"] == 3


def test_without_a_depth_nothing_is_searched_for(spark, rows):
    judged = judge_synthetics(
        parsed_of(spark, ("r", "one", "d1")),
        hits(spark),
        leaks(spark),
        rows(POSITIVES),
        SynthesiseConfig(round_trip_depth=0),
    )
    assert outcome(judged) == {"r": None}


def test_of_equal_texts_the_one_that_ranks_best_stays(spark, rows):
    parsed = parsed_of(
        spark,
        ("a", "Same text", "d1"),
        ("b", "same TEXT", "d2"),
        ("c", "same text!", "d3"),
        ("n1", "same", "d1", NEGATIVE, None),
        ("n2", "same", "d2", NEGATIVE, None),
    )
    found = hits(spark, ("Same text", "d1", 2), ("same TEXT", "d2", 1))
    assert outcome(judge_synthetics(parsed, found, leaks(spark), rows(POSITIVES), CFG)) == {
        "a": DUPLICATE_TEXT,
        "b": None,
        "c": ROUND_TRIP,
        "n1": None,
        "n2": DUPLICATE_TEXT,
    }


def test_the_text_of_a_gold_query_is_never_a_synthetic_one(spark, rows):
    gold = rows(
        POSITIVES,
        (query_id("gold"), "gold", "elsewhere", "title", 1.0, "a", None),
        (query_id("common"), "common", "elsewhere", "title", 1.0, "a", QUERY_TOO_COMMON),
    )
    parsed = parsed_of(spark, ("a", "Gold", "d1"), ("b", "common", "d1"))
    found = hits(spark, ("Gold", "d1", 1), ("common", "d1", 1))
    assert outcome(judge_synthetics(parsed, found, leaks(spark), gold, CFG)) == {
        "a": DUPLICATE_TEXT,
        "b": DUPLICATE_TEXT,
    }


def test_the_first_reason_stays(spark, rows):
    parsed = parsed_of(spark, ("a", "one", "d1", QUERY, COPY), ("b", "two", "d1"), ("c", "three", "d1"))
    judged = judge_synthetics(
        parsed, hits(spark), leaks(spark, ("one", LEAK), ("two", PROTECTED_QUERY)), rows(POSITIVES), CFG
    )
    assert outcome(judged) == {"a": COPY, "b": PROTECTED_QUERY, "c": ROUND_TRIP}


def test_texts_close_to_a_protected_set_are_flagged(spark, rows):
    text = " ".join(f"held{i}" for i in range(40))
    corpus = rows(EVAL_CORPUS, ("e", "held", text, "a", True))
    queries = rows(EVAL_QUERIES, ("e", "q", "How do I sort a very long list?", "a"))
    parsed = parsed_of(
        spark,
        ("same", "how do i sort a very long list", "d1"),
        ("near", "how do I sort a long list", "d1"),
        ("copy", text, "d1", NEGATIVE, None),
        ("fine", "how to reverse a string", "d1"),
        ("dropped", "how do i sort a very long list?", "d2", QUERY, COPY),
    )
    found = {row.text_id: row.leak for row in flag_protected(parsed, corpus, queries, GuardConfig(), 0.8).collect()}
    assert found == {
        query_id("how do i sort a very long list"): PROTECTED_QUERY,
        query_id("how do I sort a long list"): PROTECTED_QUERY,
        query_id(text): LEAK,
    }


@pytest.mark.parametrize("partitions", [1, 3, 7])
def test_gold_stays_and_what_passed_joins_it_however_it_is_partitioned(spark, rows, partitions):
    gold = rows(
        POSITIVES,
        ("g", "gold", "d1", "title", 1.0, "a", None),
        ("h", "dropped", "d1", "title", 1.0, "a", QUERY_TOO_COMMON),
    )
    parsed = parsed_of(
        spark, *[(f"r{i}", f"query {i}", f"d{i}") for i in range(4)], ("n", "other", "d1", NEGATIVE, None)
    )
    found = hits(spark, *[(f"query {i}", f"d{i}", 1) for i in range(3)])
    judged = judge_synthetics(parsed.repartition(partitions), found.repartition(partitions), leaks(spark), gold, CFG)
    united = unite_positives(gold, judged, rows(DOMAINS, *[(f"d{i}", "ab"[i % 2]) for i in range(4)]))
    assert sorted((row.query, row.doc_id, row.rule, row.domain, row.drop_reason) for row in united.collect()) == [
        ("dropped", "d1", "title", "a", QUERY_TOO_COMMON),
        ("gold", "d1", "title", "a", None),
        ("query 0", "d0", "synthetic", "a", None),
        ("query 1", "d1", "synthetic", "b", None),
        ("query 2", "d2", "synthetic", "a", None),
    ]
