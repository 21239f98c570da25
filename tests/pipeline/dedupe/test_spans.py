"""A run of sentences that several documents have stays in one of them."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.spans import cut_repeats, find_repeats, runs_of
from pipeline.ids import hash_text
from pipeline.text import normal_form
from schemas.documents import DOCUMENTS

NOTICE = "This page is about cats. It was written by us. Do not copy it."
CFG = DedupeConfig(spans=3, span_words=5, prefer=())


def document(doc_id: str, text: str, drop_reason: str | None = None) -> tuple[object, ...]:
    return (
        doc_id,
        "docs",
        "a",
        1,
        None,
        "",
        text,
        [],
        doc_id,
        "x",
        None,
        len(text),
        hash_text(text),
        drop_reason,
    )


def test_one_screen_example(rows):
    mine = "Cats sleep most of the day, says everyone."
    documents = rows(
        DOCUMENTS,
        document("a", f"{NOTICE} {mine}"),
        document("b", f"Dogs do not sleep as much. {NOTICE.upper()}\n\nEnd."),
        document("c", f"{NOTICE} Yes."),
        document("d", NOTICE, "too_short"),
    )

    repeats = find_repeats(documents, CFG).localCheckpoint()
    cut = {row.doc_id: (row.text, row.drop_reason) for row in cut_repeats(documents, repeats, CFG).collect()}

    # a comes first; b loses the notice in capitals; c has nothing left but one word; d was dropped before.
    assert {(row.doc_id, row.start, row.kept_id) for row in repeats.collect()} == {("b", 27, "a"), ("c", 0, "a")}
    assert cut == {
        "a": (f"{NOTICE} {mine}", None),
        "b": ("Dogs do not sleep as much. End.", None),
        "c": (f"{NOTICE} Yes.", "repeated_spans"),
        "d": (NOTICE, "too_short"),
    }


def test_chinese_sentences_are_runs_as_well(rows):
    notice = "本页介绍猫。由我们撰写。请勿复制。"
    documents = rows(DOCUMENTS, document("a", notice + "猫一天睡很久。"), document("b", "狗睡得比较少一些。" + notice))
    repeats = find_repeats(documents, CFG).localCheckpoint()
    cut = {row.doc_id: row.text for row in cut_repeats(documents, repeats, CFG).collect()}
    assert cut == {"a": notice + "猫一天睡很久。", "b": "狗睡得比较少一些。"}


@pytest.mark.parametrize("partitions", [1, 7])
def test_no_run_is_left_twice_and_none_is_lost(rows, partitions):
    """Texts of shared sentences: each run that was somewhere still is, and what was cut stands elsewhere."""
    rng = random.Random(5)
    pool = [f"Sentence {n} speaks of {rng.choice('abcdef')} and {n * 7}." for n in range(40)]
    texts = []
    for _ in range(30):
        start = rng.randrange(34)
        texts.append(" ".join([*rng.sample(pool, 4), *pool[start : start + 6], f"Own end {rng.random()}."]))
    documents = rows(DOCUMENTS, *(document(f"d{n:02}", text) for n, text in enumerate(texts))).repartition(partitions)

    repeats = find_repeats(documents, CFG).localCheckpoint()
    after = {row.doc_id: row for row in cut_repeats(documents, repeats, CFG).collect()}

    before = Counter(key for text in texts for key, _, _ in runs_of(text, 3, 5))
    cut = {(row.doc_id, row.start): row for row in repeats.collect()}
    assert len(cut) == sum(count - 1 for count in before.values()) > 30
    for n, text in enumerate(texts):
        for key, start, end in runs_of(text, 3, 5):
            if (f"d{n:02}", start) in cut:
                kept = texts[int(cut[f"d{n:02}", start].kept_id[1:])]
                assert key in {other for other, _, _ in runs_of(kept, 3, 5)}
            elif not any(row.doc_id == f"d{n:02}" and row.start < end and start < row.end for row in cut.values()):
                assert normal_form(text[start:end]) in normal_form(after[f"d{n:02}"].text)
    changed = [row for row in after.values() if row.text != texts[int(row.doc_id[1:])]]
    assert changed
    assert all(row.chars == len(row.text) and row.text_hash == hash_text(row.text) for row in changed)


def test_short_runs_stay(rows):
    short = "One. Two. Three."
    documents = rows(DOCUMENTS, document("a", f"{short} Something else here."), document("b", short))
    assert find_repeats(documents, CFG).count() == 0
