"""Passages: within the budget, covering every character, cut where it hurts least."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.passages.cut import Budget, cut_texts
from pipeline.ingest.passages.pack import pack
from pipeline.sentences import HEADING, LINE, PARAGRAPH, SENTENCE


class Words:
    """A token a word, and one for every four further characters of it: more than a sum of parts, as some tokenizers."""

    around = 2

    def count(self, texts):
        return [sum(1 + (len(word) - 1) // 4 for word in re.findall(r"\S+", text)) for text in texts]


def cut(text, title="", **budget):
    return cut_texts([text], [title], Words(), Budget(**budget))[0]


def test_the_strongest_cut_of_the_second_half_wins():
    sizes, places = [4, 4, 4, 4, 4], [PARAGRAPH, SENTENCE, LINE, SENTENCE, LINE]
    assert pack(sizes, places, [False] * 5, 17) == [(0, 3), (3, 5)]
    places[2] = HEADING
    assert pack(sizes, places, [False] * 5, 17) == [(0, 2), (2, 5)]


def test_a_heading_does_not_end_a_passage_and_a_small_rest_is_avoided():
    assert pack([6, 1, 6], [PARAGRAPH, SENTENCE, PARAGRAPH], [False, True, False], 7) == [(0, 1), (1, 3)]
    assert pack([4, 4, 4, 1], [SENTENCE] * 4, [False] * 4, 12) == [(0, 2), (2, 4)]


def test_an_overlap_repeats_whole_pieces_but_never_across_a_heading():
    sizes, none = [3, 3, 3, 3, 3, 3], [False] * 6
    assert pack(sizes, [SENTENCE] * 6, none, 9, overlap=4) == [(0, 3), (2, 5), (4, 6)]
    assert pack(sizes, [SENTENCE] * 6, [False] * 3 + [True] + [False] * 2, 9, overlap=4) == [(0, 3), (3, 6)]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 40), st.integers(0, 20), st.data())
def test_packing_leaves_nothing_out_and_goes_on(sizes, most, overlap, data):
    strengths = data.draw(st.lists(st.integers(0, 5), min_size=len(sizes), max_size=len(sizes)))
    headings = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    spans = pack(sizes, strengths, headings, most, min(overlap, most // 2))
    assert spans[0][0] == 0
    assert spans[-1][1] == len(sizes)
    assert all(a[0] < b[0] <= a[1] < b[1] for a, b in pairwise(spans))
    assert all(sum(sizes[a:b]) <= most or b == a + 1 for a, b in spans)


TEXT = """The guide begins here. It has some words for all of its readers today.

# Install
Get the package from its index and install it by hand. Then run the set-up once, and look at the log.

## On Linux
Use the script that lies beside it. It asks for nothing and writes into the home of the user alone.
"""


def test_passages_follow_the_sections_and_a_leading_heading_is_the_title():
    found = cut(TEXT, "Guide", tokens=32)
    assert [(each.title, each.text.split()[0]) for each in found] == [
        ("Guide", "The"),
        ("Install", "Get"),
        ("On Linux", "Use"),
    ]
    assert all(each.title not in each.text for each in found)
    assert [TEXT[each.start : each.end].split()[0] for each in found] == ["The", "#", "##"]


def test_a_header_tells_the_titles_above_but_not_its_own():
    found = cut(TEXT, "Guide", tokens=32, header=True)
    headers = [(each.title, each.text.split("\n")[0]) for each in found[1:]]
    assert headers[0] == ("Install", "Guide")
    assert ("On Linux", "Guide > Install") in headers
    assert headers[-1] == ("", "Install > On Linux")  # what is over the room falls away from the top
    assert found[0].text.startswith("The guide begins")


def test_a_long_section_goes_on_under_its_path():
    text = "# Part\n" + " ".join(f"Word number {n} stands here." for n in range(30))
    found = cut(text, "Book", tokens=40, header=True)
    assert [each.title for each in found[:2]] == ["Part", ""]
    assert found[1].text.startswith("Book > Part\nWord number")


def test_a_text_that_fits_stays_whole():
    assert cut("short text", tokens=32) == []
    exact = " ".join(["one"] * 30)
    assert cut(exact, tokens=32) == []
    assert len(cut(exact + " one", tokens=32)) == 2


def test_chinese_is_cut_between_its_sentences():
    sentence = "第一泡的时间不要超过两分钟因为沸水会使茶汤变得苦涩。"
    found = cut(sentence * 12, tokens=32)
    assert all(each.text.endswith("。") for each in found)
    assert "".join(each.text for each in found) == sentence * 12


@pytest.mark.parametrize("text", ["x" * 5000, "苦" * 3000, "ab " * 4000, "\n".join(["```"] + ["y = 1"] * 400)])
def test_what_has_no_structure_is_cut_hard(text):
    found = cut(text, tokens=32)
    assert max(each.tokens for each in found) <= 32
    assert "".join(text[each.start : each.end] for each in found) == text


ALPHABET = st.sampled_from(
    ["a", "word ", "Sentence ends. ", "\n", "\n\n", "。", "# Head\n", "```\n", "long" * 30, "水" * 40, "\n---\n"]
)


@given(
    st.lists(ALPHABET | st.characters(), max_size=120).map("".join),
    st.integers(32, 60),
    st.integers(0, 16),
    st.booleans(),
    st.sampled_from(["", "A title", "t" * 400]),
)
def test_every_character_is_in_a_passage_and_no_passage_exceeds_the_budget(text, tokens, overlap, header, title):
    found = cut(text, title, tokens=tokens, overlap=overlap, header=header)
    if not found:
        assert Words().count([text])[0] + 2 <= tokens
        return
    assert found[0].start == 0
    assert found[-1].end == len(text)
    assert all(a.start < b.start <= a.end < b.end for a, b in pairwise(found))
    for each in found:
        assert each.tokens == Words().count([each.text])[0] + 2 <= tokens
        assert text[each.start : each.end].strip().endswith(each.text.rpartition("\n")[2])
