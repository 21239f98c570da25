"""Repair, rules, languages and personal data: what is asked for, and nothing where nothing is."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.clean.config import CleanConfig
from pipeline.ingest.clean.pii import passes_luhn, redact
from pipeline.ingest.clean.record import clean_record
from pipeline.ingest.clean.rules import boilerplate, failed_rules, repeated_lines, top_ngram
from pipeline.ingest.config import make_source
from pipeline.languages import identify_language
from pipeline.readers.records import Record
from pipeline.text import words
from schemas.errors import RecipeError

ENGLISH = (
    "Green tea wants water of about seventy degrees, and no more than two minutes in it for the first pot. Whoever "
    "pours boiling water over the leaves gets a bitter cup, because heat draws out what should have stayed inside. A "
    "second pot may stand a little longer than the first one did, and a third is for those who like to read."
)
CHINESE = (
    "绿茶适合用大约七十度的水冲泡，第一泡的时间不要超过两分钟。如果用沸水直接浇在茶叶上，茶汤就会变得苦涩，因为高温会把"
    "本该留在叶子里的物质带出来。第二泡可以比第一泡稍微久一些，第三泡则留给那些喜欢一边等待一边读书的人。"
)
JAPANESE = (
    "緑茶は七十度くらいのお湯で淹れるのがよく、一煎目は二分より長く置かないほうがおいしい。沸騰したお湯をそのまま注ぐと、"
    "葉の中に残るはずの成分まで出てしまい、苦くなる。二煎目は少し長めに、三煎目は本を読みながら待つ人のためにある。"
)


def row(text, title="", **clean):
    source = make_source(name="s", format="jsonl", path="x", clean=CleanConfig(**clean))
    return clean_record(Record("document", "a", 1, title=title, text=text), source)


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, JAPANESE], ids=["en", "zh", "ja"])
def test_good_prose_in_any_script_breaks_no_rule(text):
    assert failed_rules(text, CleanConfig()) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (ENGLISH + "\nclick here for more\n" * 30, "repeated_lines"),
        (CHINESE + "\n点击这里查看更多内容" * 30, "repeated_lines"),
        (ENGLISH + " buy tea" * 40, "repeated_ngrams"),
        (CHINESE + "买茶" * 60, "repeated_ngrams"),
        ("Lorem ipsum dolor sit amet.\nWe use cookies.\nAll rights reserved.\nTea.", "boilerplate"),
        ("版权所有 茶叶公司\n隐私政策\n茶。", "boilerplate"),
        (ENGLISH.replace(" ", " # "), "too_many_symbols"),
        (ENGLISH.replace(" ", "")[:20] * 3 + " ".join(random.Random(1).choices("abcdefghijk", k=90)), "odd_words"),
    ],
)
def test_what_only_looks_like_text_is_told_by_its_rule(text, rule):
    assert rule in failed_rules(text, CleanConfig())


def test_the_shares_are_what_they_say():
    assert repeated_lines("aaaa\nbbbb\n aaaa\n\naaaa") == 0.5
    assert top_ngram(words("tea pot tea pot x"), 2) == 12 / 13
    assert top_ngram(words("茶壶好茶壶"), 2) == 4 / 5
    assert top_ngram(words("every word is another"), 2) == 0.0
    assert boilerplate("abcdefg\ncookies") == 0.5


def test_nothing_is_changed_or_noted_unless_asked_for():
    text = "Write to me@tea.example, it\u00e2\u20ac\u2122s free. " + "again " * 60

    found = row(text)

    assert found["text"] == text.strip()
    assert found["drop_reason"] is None
    assert not {"repaired", "language", "failed_rules", "pii"} & set(found)


def test_what_was_decoded_wrongly_is_repaired_and_full_width_signs_stay():
    mangled = "It\u00e2\u20ac\u2122s tea; " + "茶很好".encode().decode("latin-1")

    assert row(mangled, repair=True)["text"] == "It\u2019s tea; 茶很好"
    assert row(mangled, repair=True)["repaired"] is True
    kept = "“茶”，ＡＢＣ！ &amp; ﬁne"
    assert (row(kept, repair=True)["text"], row(kept, repair=True)["repaired"]) == (kept, False)


def test_the_first_broken_rule_is_the_reason_and_all_are_noted():
    found = row(ENGLISH + "\nall rights reserved: we use cookies" * 40, rules=True)

    assert found["drop_reason"] == "repeated_lines"
    assert found["failed_rules"] == ["repeated_lines", "repeated_ngrams", "boilerplate"]


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (CHINESE, "zh"), (JAPANESE, "ja")])
def test_other_languages_are_dropped_and_noted(text, language):
    kept, dropped = row(text, languages=(language,)), row(text, languages=("fi",))

    assert (kept["language"], kept["drop_reason"]) == (language, None)
    assert (dropped["language"], dropped["drop_reason"]) == (language, "other_language")
    assert row(text, languages=("fi",), min_confidence=1.0)["drop_reason"] is None or dropped["language_score"] == 1.0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_real_sentences_are_of_the_language_they_are_in(collections, language):
    lines = (collections / "stsb_multi" / f"{language}-dev.tsv").read_text(encoding="utf-8").splitlines()[1:501]
    found = [identify_language(max(line.split("\t"), key=len))[0] for line in lines]

    assert found.count(language) / len(found) >= 0.95


@pytest.mark.parametrize(
    ("text", "redacted", "kinds"),
    [
        ("Write to jo.doe+x@mail.tea.example.", "Write to <email>.", ["email"]),
        ("Card 4111 1111 1111 1111, not 4111 1111 1111 1112.", "Card <card>, not 4111 1111 1111 1112.", ["card"]),
        ("Host 192.168.0.1 and 10.0.0.300.", "Host <ip> and 10.0.0.300.", ["ip"]),
        ("Call +49 (0)30 1234567 or 555-123-4567.", "Call <phone> or <phone>.", ["phone"]),
        ("请致电13812345678或写信至cha@example.cn。", "请致电<phone>或写信至<email>。", ["email", "phone"]),
        ("In 2024 pi was 3.14159265358979 and v1.2.3 cost 1000000 at 10:30.", None, []),
    ],
)
def test_personal_data_is_found_by_its_form(text, redacted, kinds):
    assert redact(text) == (redacted or text, kinds)


def test_personal_data_is_only_noted_or_taken_out():
    tagged = row("Write to me@tea.example about tea.", "Ask 8.8.8.8", pii="tag")
    redacted = row("Write to me@tea.example about tea.", "Ask 8.8.8.8", pii="redact")

    assert (tagged["title"], tagged["text"]) == ("Ask 8.8.8.8", "Write to me@tea.example about tea.")
    assert (redacted["title"], redacted["text"]) == ("Ask <ip>", "Write to <email> about tea.")
    assert tagged["pii"] == redacted["pii"] == ["email", "ip"]


@given(st.integers(10**12, 10**15 - 1), st.integers(0, 9))
def test_of_ten_check_digits_one_is_right(number, wrong):
    digits = [digit for digit in range(10) if passes_luhn(f"{number}{digit}")]

    assert len(digits) == 1


def test_every_fault_of_the_settings_is_told():
    with pytest.raises(RecipeError) as caught:
        CleanConfig(languages=("english",), min_word_length=20.0, pii="maybe")

    assert [fault.split(" ")[0] for fault in caught.value.faults] == ["pii", "languages", "min_word_length"]
