"""The analyser must fit the language of the texts; mixed and short ones, and code, are no reason to stop."""

import pytest

from pipeline.index.analyser import SAMPLE, find_foreign, sample_texts
from pipeline.index.config import IndexConfig

ENGLISH = [
    f"The committee met on Monday to discuss the annual report, and number {n} of its members asked for more time to "
    "read the chapters about money and staff before a vote would be held."
    for n in range(30)
]
GERMAN = [
    f"Der Ausschuss trat am Montag zusammen, um den Jahresbericht zu besprechen, und {n} seiner Mitglieder baten um "
    "mehr Zeit, die Kapitel über Geld und Personal zu lesen, bevor abgestimmt würde."
    for n in range(30)
]
CZECH = [
    f"Výbor se sešel v pondělí, aby projednal výroční zprávu, a {n} jeho členů požádalo o více času na přečtení "
    "kapitol o penězích a zaměstnancích, než se bude hlasovat."
    for n in range(30)
]
CHINESE = [
    f"委员会星期一开会讨论年度报告，其中第{n}位成员要求在投票前有更多时间阅读有关资金和人员的章节。" for n in range(30)
]
DANISH = [
    f"Udvalget mødtes mandag for at drøfte årsberetningen, og {n} af dets medlemmer bad om mere tid til at læse "
    "kapitlerne om penge og personale, før der blev stemt."
    for n in range(30)
]
CODE = [f"def f{n}(x): return [y[{n}] for y in x if y > {n}] or None  # {n}{n} {{}} => ;; 0x{n}ff" for n in range(30)]


@pytest.mark.parametrize(
    ("texts", "language", "expected"),
    [
        (ENGLISH, "en", None),
        (GERMAN, "en", "de"),
        (ENGLISH, "de", "en"),
        (CHINESE, "en", "zh"),
        (CHINESE, "zh", None),
        (CZECH, "en", "cs"),  # there is no analyser for it
        (DANISH, "da", None),
        (DANISH, "no", None),
        (ENGLISH + GERMAN, "en", None),  # a mixture has no better language
        (CODE, "en", None),
        (["short", "texts"] * 30, "de", None),
        (GERMAN[:3], "en", None),  # too few to tell
        ([], "en", None),
    ],
)
def test_a_language_is_foreign_when_most_texts_are_surely_in_it(texts, language, expected):
    found = find_foreign(texts, IndexConfig(language=language))

    assert (found and found.language) == expected


def test_the_fault_names_the_setting_the_share_and_the_way_out():
    cfg = IndexConfig(language="en")

    fault = find_foreign(GERMAN, cfg).fault(cfg)

    assert fault.startswith("index.language must be the language of the documents (100% of 30 looked at are de)")
    assert "try de, or index.max_foreign: 1" in fault


def test_the_bound_is_a_setting():
    assert find_foreign(GERMAN, IndexConfig(language="en", max_foreign=1.0)) is None
    assert find_foreign(GERMAN + ENGLISH[:10], IndexConfig(language="en", max_foreign=0.8)) is None
    assert find_foreign(GERMAN + ENGLISH[:10], IndexConfig(language="en", max_foreign=0.5)).share == 0.75


def test_the_sample_is_bounded_and_the_same_on_any_number_of_partitions(spark):
    frame = spark.createDataFrame([(f"{n:05}", f"text {n}") for n in range(900)], "doc_id string, text string")

    one, seven = ([row.text for row in sample_texts(frame.repartition(n), 13).collect()] for n in (1, 7))

    assert one == seven
    assert len(one) == SAMPLE
