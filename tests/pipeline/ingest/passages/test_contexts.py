"""A line of context is believed as far as the document bears it out, and no document forges the prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.passages.config import PassageConfig
from pipeline.ingest.passages.contexts import (
    BESIDES,
    context_prompt,
    grounded_share,
    judge_contexts,
    plan_contexts,
    why_not,
)
from pipeline.prompting import BYTES_PER_TOKEN
from schemas.documents import DOCUMENTS, PASSAGES
from schemas.errors import RecipeError

TITLE = "Harbour report"
BODY = "The harbour of Lindau was dredged in spring. The cost of dredging was borne by the shipping companies alone."
PASSAGE = "It rose by three per cent over the year before."


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Harbour report: what the dredging of Lindau cost, and how it rose", None),
        ("", "unparsable"),
        ("Harbour report", "text_too_short"),
        ("harbour " * 41, "text_too_long"),
        ("the cost of the cost of the cost of the cost of the cost", "repetition"),
        ("It rose by three per cent over the year before.", "copy_of_source"),
        ("A recipe for pancakes with blueberries and yoghurt", "ungrounded"),
    ],
)
def test_what_is_no_context_has_its_reason(line, why):
    assert why_not(line, PASSAGE, TITLE, BODY) == why


def test_a_line_without_longer_words_is_taken_at_its_word():
    assert grounded_share("it is on a by", (BODY,)) == 1.0
    assert grounded_share("harbour pancakes", (BODY,)) == 0.5


@given(st.text(), st.text(), st.text())
def test_no_document_forges_the_structure_of_the_prompt(title, body, passage):
    honest, prompt = (context_prompt(*each, 64) for each in (("t", "b", "p"), (title, body, passage)))
    assert prompt.count("\n") == honest.count("\n")
    assert prompt.count('"') == honest.count('"')
    assert prompt.endswith("\n=")


def test_the_longest_prompt_is_as_long_as_was_reckoned():
    longest = context_prompt("t" * 5000, "b " * 50_000, "p " * 50_000, 240)
    assert len(longest.encode()) <= (240 + BESIDES + 8) * BYTES_PER_TOKEN


def test_every_kept_passage_is_asked_about_with_its_own_document(rows):
    def document(doc_id: str, text: str, drop_reason: str | None) -> tuple[object, ...]:
        return (doc_id, "s", "f", 1, None, TITLE, text, [], doc_id, "d", None, len(text), "h", drop_reason)

    documents = rows(
        DOCUMENTS,
        document("whole", BODY, "split"),
        document("p1", PASSAGE, None),
        document("p2", "short", "too_short"),
        document("other", "A note of its own.", None),
    )
    passages = rows(PASSAGES, ("p1", "whole", 1, 0, 9, 9), ("p2", "whole", 2, 9, 14, 1))
    (asked,) = plan_contexts(documents, passages, 64).collect()
    assert (asked.request_id, asked.kind) == ("p1", "query")
    assert asked.prompt.endswith(f'"{TITLE}. {BODY}"\n> "{PASSAGE}"\n=')


class Letters:
    """Counts letters for tokens."""

    around = 0

    def count(self, texts):
        return [len(text) for text in texts]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Harbour report: dredging and its companies", None),
        ("Harbour report: what rose by three per cent", None),  # the passage says so
        ("Lighthouse keepers retire in autumn", "ungrounded"),  # the document does, far behind what the model was shown
    ],
)
def test_a_line_is_held_against_what_the_model_was_shown(rows, spark, line, why):
    cfg = PassageConfig(tokens=512, context=True, context_tokens=32)
    whole = f"{BODY}{' ' * 32 * 16}Lighthouse keepers retire in autumn. {PASSAGE}"

    def document(doc_id, text, drop_reason):
        return (doc_id, "s", "f", 1, None, TITLE, text, [], doc_id, "d", None, len(text), "h", drop_reason)

    documents = rows(DOCUMENTS, document("whole", whole, "split"), document("p", PASSAGE, None))
    replies = spark.createDataFrame(
        [("p", f" {line}", "stop", "m")], "doc_id string, reply string, finish_reason string, model string"
    )
    (judged,) = judge_contexts(replies, documents, rows(PASSAGES, ("p", "whole", 1, 0, 9, 9)), Letters, cfg).collect()
    assert (judged.context, judged.drop_reason) == (line, why)


def test_context_without_passages_is_refused():
    with pytest.raises(RecipeError, match="context must be left out without tokens"):
        PassageConfig(context=True)
