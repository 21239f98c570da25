"""Duplicates are mapped to one survivor each, the same however the input lies."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from pipeline.contract import frame_of, kept
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.survivors import drop_duplicates, find_duplicates
from pipeline.ids import hash_text
from pipeline.text import normal_form, shingles
from schemas.documents import DOCUMENTS, DUPLICATES, JUDGEMENTS
from schemas.errors import ContractError, RecipeError

LOREM = (
    "The quick brown fox jumps over the lazy dog while seven wizards box quickly in the old stone yard behind the mill"
)
WAYS = pytest.mark.parametrize(
    "way", [{}, {"one_pass": -1}, {"one_pass": -1, "one_task": -1}], ids=["one pass", "one task", "shuffled"]
)


def document(doc_id: str, text: str, source: str = "docs", drop_reason: str | None = None) -> tuple[object, ...]:
    hashed = hash_text(text)
    return (doc_id, source, "a.jsonl", 1, doc_id, "", text, [], doc_id, "prose", None, len(text), hashed, drop_reason)


def duplicates_of(documents: DataFrame, cfg: DedupeConfig, *judged: tuple[str, str], **way: int) -> DataFrame:
    """Find the duplicates where people judged (query, native id)."""
    rows = [("docs", query, query, native, 1.0, *([None] * (len(JUDGEMENTS.names) - 5))) for query, native in judged]
    return find_duplicates(documents, frame_of(documents.sparkSession, JUDGEMENTS, rows), cfg, **way)


def mapping(duplicates: DataFrame) -> dict[str, tuple[str, str, float]]:
    return {row["doc_id"]: (row["survivor_id"], row["kind"], row["jaccard"]) for row in duplicates.collect()}


@pytest.fixture
def corpus(chain) -> list[tuple[object, ...]]:
    """Make clusters of every kind: copies, near-copies, copies of near-copies, a chain, loners, a dropped copy."""
    rng = random.Random(2)
    loners = [" ".join(rng.choices([f"w{i}" for i in range(500)], k=30)) for _ in range(12)]
    copies = [LOREM, LOREM.upper(), LOREM + " again", LOREM + " AGAIN!", loners[0], "猫猫 猫数", "猫猫猫数"]
    texts = [*loners, *copies, *chain(20)]
    rows = [document(f"d{i:02}", text) for i, text in enumerate(texts)]
    return [*rows, document("zz", LOREM, drop_reason="too_short")]


def test_one_screen_example(rows):
    documents = rows(
        DOCUMENTS,
        document("a", LOREM),
        document("b", f"{LOREM.upper()}!"),
        document("c", LOREM + " again"),
        document("d", "something else"),
        document("e", LOREM, drop_reason="too_short"),
        document("f", LOREM.replace(" ", "\n")),
    )
    duplicates = duplicates_of(documents, DedupeConfig()).localCheckpoint()

    # The longest survives. b has the words of a, in another case; f is a but for white space. e was dropped before.
    assert mapping(duplicates) == {"a": ("c", "near", 1.0), "b": ("c", "near", 1.0), "f": ("c", "exact", 1.0)}
    reasons = {row["doc_id"]: row["drop_reason"] for row in drop_duplicates(documents, duplicates).collect()}
    near, exact = "near_duplicate", "exact_duplicate"
    assert reasons == {"a": near, "b": near, "c": None, "d": None, "e": "too_short", "f": exact}


@pytest.mark.parametrize("partitions", [1, 2, 7])
@WAYS
def test_results_do_not_depend_on_partitioning_nor_on_the_way(rows, corpus, partitions, way):
    documents = rows(DOCUMENTS, *corpus)
    expected = mapping(duplicates_of(documents.coalesce(1), DedupeConfig(ngram=1)))

    got = mapping(duplicates_of(documents.repartition(partitions, "text"), DedupeConfig(ngram=1), **way))

    assert got == expected
    assert len(got) > 20


@pytest.mark.parametrize("seed", range(3))
def test_both_ways_agree_where_buckets_hold_several_components(rows, seed):
    """Texts of few words out of few, at a low threshold: many buckets, most of them open."""
    rng = random.Random(seed)
    texts = [" ".join(rng.sample([f"w{i}" for i in range(14)], rng.randint(4, 8))) for _ in range(120)]
    texts += [text.replace(" ", "\t") for text in texts[:9]]
    documents = rows(DOCUMENTS, *[document(f"d{i:03}", text) for i, text in enumerate(texts)])
    cfg = DedupeConfig(ngram=1, threshold=0.7, permutations=24, bands=12, rows=2)

    found = mapping(duplicates_of(documents, cfg))

    assert found == mapping(duplicates_of(documents, cfg, one_pass=-1, one_task=-1))
    assert len({kind for _, kind, _ in found.values()}) == 2
    assert len({survivor for survivor, _, _ in found.values()}) > 5


def test_a_second_pass_finds_nothing(rows, corpus):
    documents = rows(DOCUMENTS, *corpus)
    once = drop_duplicates(documents, duplicates_of(documents, DedupeConfig(ngram=1))).localCheckpoint()

    assert once.count() == documents.count()
    assert duplicates_of(once, DedupeConfig(ngram=1)).count() == 0


def test_every_duplicate_points_to_a_kept_document(rows, corpus):
    documents = rows(DOCUMENTS, *corpus)
    duplicates = duplicates_of(documents, DedupeConfig(ngram=1)).localCheckpoint()
    survivors = {row["doc_id"] for row in kept(drop_duplicates(documents, duplicates)).collect()}

    assert {row["survivor_id"] for row in duplicates.collect()} <= survivors


@pytest.mark.parametrize(
    ("prefer", "sources", "survivor"),
    [
        (("longest",), (), "c"),
        (("shortest",), (), "b"),
        (("source", "longest"), ("web", "books"), "a"),
        (("source",), ("books",), "b"),
        ((), (), "a"),
    ],
)
def test_the_recipe_says_who_survives(rows, prefer, sources, survivor):
    documents = rows(
        DOCUMENTS,
        document("a", LOREM + " x", "web"),
        document("b", LOREM, "books"),
        document("c", LOREM + " more", "news"),
        document("d", LOREM, "books"),
    )

    got = mapping(duplicates_of(documents, DedupeConfig(prefer=prefer, sources=sources)))

    assert {entry[0] for entry in got.values()} == {survivor}
    assert len(got) == 3


CHINESE = (
    "茶树原产于中国西南部，后来传到日本、印度和欧洲。人们采摘嫩叶，经过杀青、揉捻和干燥，制成绿茶；"
    "若先让叶子氧化，便得到红茶。泡茶的水温与时间，决定了茶汤的香气和滋味。"
)


def test_chinese_near_duplicates_are_found_as_english_ones_are(rows):
    """A shingle is five characters there: one of 70 replaced changes five of 66."""
    documents = rows(
        DOCUMENTS,
        document("a", CHINESE),
        document("b", CHINESE.replace("印度", "印尼")),
        document("c", CHINESE.replace("，", " ")),
        document("d", CHINESE[::-1]),
        document("e", "".join(sorted(CHINESE))),
    )

    got = mapping(duplicates_of(documents, DedupeConfig()))

    assert {name: kind for name, (_, kind, _) in got.items()} == {"b": "near", "c": "near"}
    assert {survivor for survivor, _, _ in got.values()} == {"a"}
    assert got["b"][2] == pytest.approx(
        len(shingles(CHINESE, 5) & shingles(CHINESE.replace("印度", "印尼"), 5))
        / len(shingles(CHINESE, 5) | shingles(CHINESE.replace("印度", "印尼"), 5)),
        abs=1e-6,
    )


@WAYS
def test_a_kept_document_without_words_is_a_copy_of_its_like_and_near_to_nothing(rows, way):
    documents = rows(
        DOCUMENTS, document("a", "___"), document("b", "--- _"), document("c", "_ word"), document("d", "___")
    )

    assert mapping(duplicates_of(documents, DedupeConfig(), **way)) == {"d": ("a", "exact", 1.0)}


def test_nothing_comes_of_nothing(rows):
    assert duplicates_of(rows(DOCUMENTS), DedupeConfig()).count() == 0


def test_only_exact_duplicates_when_asked(rows):
    documents = rows(DOCUMENTS, document("a", LOREM), document("b", LOREM + " "), document("c", LOREM.lower()))

    assert mapping(duplicates_of(documents, DedupeConfig(near=False))) == {"a": ("b", "exact", 1.0)}


@WAYS
def test_many_copies_of_one_text_cost_no_pairs(spark, rows, way):
    copies = spark.range(20_000).selectExpr("format_string('%05d', id) AS doc_id", f"'{LOREM}' AS text")
    columns = {
        "source": "'s'",
        "native_id": "doc_id",
        "chars": "length(text)",
        "text_hash": "'same'",
        "drop_reason": "CAST(NULL AS STRING)",
    }
    documents = copies.selectExpr("*", *[f"{sql} AS {name}" for name, sql in columns.items()])

    got = duplicates_of(documents, DedupeConfig(), **way)

    assert got.groupBy("survivor_id", "kind").count().collect() == [("00000", "exact", 19_999)]


def test_a_table_that_is_not_documents_is_refused(spark, rows):
    with pytest.raises(ContractError, match=r"documents must have the columns .*text_hash"):
        drop_duplicates(spark.createDataFrame([("a", None)], "doc_id string, drop_reason string"), rows(DUPLICATES))


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"bands": 4}, "bands must be given together with rows"),
        ({"bands": 40, "rows": 8}, "at least bands x rows = 320, got 128"),
        ({"threshold": 0.1, "permutations": 8}, "permutations must be enough for recall 0.995 at threshold 0.1"),
        ({"threshold": 1.5}, "between 0.05 and 1"),
        ({"prefer": ["newest"]}, "one of longest, shortest, source"),
        ({"shingle": 3}, "known settings"),
    ],
)
def test_impossible_settings_are_refused(given, fault):
    with pytest.raises(RecipeError, match=fault):
        DedupeConfig.from_mapping(given)


def test_the_derived_banding_is_the_one_in_force():
    assert (DedupeConfig().banding.bands, DedupeConfig().banding.rows) == (21, 6)
    assert DedupeConfig(bands=14, rows=8).banding.rows == 8


def truth(texts: list[str], size: int, threshold: float) -> tuple[set[tuple[int, int]], list[int]]:
    """Compare all with all, by plain shingle sets: the pairs at the threshold, and each text's component."""
    names: dict[str, int] = {}
    columns = [[names.setdefault(gram, len(names)) for gram in shingles(text, size)] for text in texts]
    sizes = np.array([len(held) for held in columns])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    shape = (len(texts), len(names))
    grams = csr_array((np.ones(starts[-1], np.int32), np.concatenate(columns).astype(np.int64), starts), shape=shape)
    shared = (grams @ grams.T).tocoo()
    similar = np.round(shared.data / (sizes[shared.row] + sizes[shared.col] - shared.data), 6) >= threshold
    left, right = shared.row[similar], shared.col[similar]
    graph = csr_array((np.ones(len(left)), (left, right)), shape=(len(texts), len(texts)))
    components = connected_components(graph, directed=False)[1]
    return {(a, b) for a, b in zip(left.tolist(), right.tolist(), strict=True) if a < b}, components.tolist()


@pytest.mark.parametrize(("name", "every"), [("license_texts", 5), ("reuters21578", 5)])
def test_clusters_are_those_of_brute_force(rows, collections: Path, name, every):
    with gzip.open(collections / name / "corpus.jsonl.gz", "rt", encoding="utf-8") as handle:
        texts = [json.loads(line)["text"] for i, line in enumerate(handle) if i % every == 0 and line.strip()]
    texts = [text for text in texts if normal_form(text)]
    documents = rows(DOCUMENTS, *[document(f"{i:06}", text) for i, text in enumerate(texts)])

    got = mapping(duplicates_of(documents, DedupeConfig()))

    pairs, components = truth(texts, 5, 0.8)
    survivor = [int(got[f"{i:06}"][0]) if f"{i:06}" in got else i for i in range(len(texts))]
    together = sum(survivor[a] == survivor[b] for a, b in pairs)
    assert together >= 0.99 * len(pairs)
    assert all(components[i] == components[survivor[i]] for i in range(len(texts)))  # precision 1.0
    largest = {component: survivor[i] for i, component in enumerate(components)}
    assert sum(survivor[i] == largest[components[i]] for i in range(len(texts))) >= 0.99 * len(texts)


def notice(year: int) -> str:
    body = " ".join(f"paragraph {n} of the notice says what it said every time" for n in range(9))
    return f"Notice for the year {year}. {body}"


@WAYS
def test_documents_that_answer_different_judged_queries_stay_apart(rows, way):
    documents = rows(DOCUMENTS, *(document(f"n{year}", notice(year)) for year in range(2020, 2026)))
    judged = [
        ("rate of 2020", "n2020"),
        ("rate of 2021", "n2021"),
        ("rate of 2022", "n2022"),
        ("rate of 2022", "n2023"),
    ]

    got = duplicates_of(documents, DedupeConfig(ngram=1, prefer=()), *judged, **way).collect()

    # Those of 2022 and 2023 answer one query; what nobody judged goes with the first judged one.
    assert {row.doc_id: row.survivor_id for row in got} == {"n2023": "n2022", "n2024": "n2020", "n2025": "n2020"}


@WAYS
def test_a_judged_document_survives_whatever_is_preferred(rows, way):
    documents = rows(DOCUMENTS, document("a", LOREM), document("b", f"{LOREM} again and again"), document("c", LOREM))

    assert {
        row.doc_id: row.survivor_id
        for row in duplicates_of(documents, DedupeConfig(ngram=1), ("q", "c"), **way).collect()
    } == {"b": "a", "c": "a"}  # a is c, the same text


@WAYS
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("कल सुबह दस बजे बाल दिखाने आइए", "कल सुबह दस बजे बिल दिखाने आइए"),
        ("It freezes at 5 degrees", "It freezes at -5 degrees"),
        ("C++", "C"),
        ("C#", "C"),
    ],
)
def test_what_a_reader_tells_apart_stays(rows, one, other, way):
    assert (
        mapping(duplicates_of(rows(DOCUMENTS, document("a", one), document("b", other)), DedupeConfig(), **way)) == {}
    )
