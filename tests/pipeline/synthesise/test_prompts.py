"""Prompts: what they look like (golden), what they keep out, and how long they may get."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prompting import BYTES_PER_TOKEN, cut_text
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.prompts import BUILT_IN, Shot, negative_prefix, negative_prompt, query_prefix, query_prompt
from schemas.errors import RecipeError

GOLDEN = Path(__file__).with_name("prompts.jsonl")


def write(case):
    shots = [Shot(*shot) for shot in case["shots"]]
    if case["kind"] == "query":
        return query_prompt(query_prefix(shots, case["shot_tokens"]), case["text"], case["document_tokens"])
    prefix = negative_prefix(shots, case["shot_tokens"])
    return negative_prompt(prefix, case["query"], case["text"], case["document_tokens"])


@pytest.mark.parametrize(
    "case", [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()], ids=lambda case: case["name"]
)
def test_prompts_are_what_they_were(case):
    assert write(case) == case["prompt"]


@given(st.text(), st.integers(1, 40))
def test_a_cut_text_is_one_line_within_its_budget(text, tokens):
    cut = cut_text(text, tokens)
    assert len(cut.removesuffix("…").encode()) <= tokens * BYTES_PER_TOKEN
    assert "\n" not in cut
    assert "\r" not in cut


def test_texts_are_cut_between_words_and_between_characters_where_there_are_no_words():
    assert cut_text("one two three four", 5) == "one two three…"
    assert cut_text("文" * 9, 5) == "文文文文文…"
    assert cut_text("short", 5) == "short"


@given(st.text(), st.text())
def test_no_document_can_forge_the_structure_of_a_prompt(text, query):
    prefix = query_prefix(BUILT_IN, 32)
    case = query_prompt(prefix, text, 64).removeprefix(prefix)
    assert case.startswith('"')
    assert case.endswith('" =>')
    assert case.count('"') == 2
    assert "\n" not in case

    prefix = negative_prefix(BUILT_IN, 32)
    lines = negative_prompt(prefix, query, text, 64).removeprefix(prefix).split("\n")
    assert [line[:1] for line in lines[1:]] == ["+", "-"]


def test_the_prompts_of_one_domain_share_everything_up_to_the_document():
    prefix = query_prefix([Shot("a document", "its query")], 16)
    assert query_prompt(prefix, "x", 16).startswith(prefix)
    assert prefix.endswith("its query\n")


def test_shots_without_a_negative_are_left_out_of_prompts_for_negatives():
    found = negative_prefix([Shot("with", "q1", "wrong"), Shot("without", "q2")], 16)
    assert "wrong" in found
    assert "without" not in found


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_query_words": 9, "max_query_words": 8}, "min_query_words must be at most max_query_words"),
        ({"url": "host:8000", "model_name": "m"}, "url must be an http or https URL"),
        ({"url": "http://host/v1"}, "model_name must be set exactly when url is"),
        ({"document_tokens": 4000}, "context_tokens must be at least"),
        ({"shots": 0}, "shots must be between 1 and 64"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(RecipeError, match=words):
        SynthesiseConfig(**settings)
