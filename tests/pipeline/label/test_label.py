"""Signals of every pair, what the teacher learns from, and which pairs it scores."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame

from jobs.engines.vectors import OpenVectors, store_vectors
from pipeline.ids import unit_of
from pipeline.label import signals
from pipeline.label.config import LabelConfig
from pipeline.label.signals import measure_pairs
from pipeline.label.teacher import (
    add_texts,
    attach_teacher,
    choose_labelled,
    choose_lessons,
    choose_measured,
    score_pairs,
)
from schemas.documents import DOCUMENTS
from schemas.errors import ContractError, RecipeError
from schemas.mining import CANDIDATES, SCORES
from schemas.pairs import POSITIVES, SYNTHETICS

SEED = 13
BATCH_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"


def unit_vectors(names, dimensions=8, seed=0):
    found = np.random.default_rng(seed).normal(size=(len(names), dimensions)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return {name: [float(value) for value in row] for name, row in zip(names, found, strict=True)}


def positive(query, doc, rule="qrels", reason=None, grade=1.0):
    return (query, f"text of {query}", doc, rule, grade, "domain", reason)


def score(query, doc, dense, is_positive=False, bm25_rank=None, ann_rank=None, bm25=None, similar=None, teacher=None):
    return (query, doc, is_positive, bm25_rank, bm25, ann_rank, dense, similar, teacher, teacher and "model")


def document(doc, text, reason=None):
    return (doc, "source", "file", 1, doc, "", text, [], doc, "domain", None, len(text), doc, reason)


def as_dicts(frame: DataFrame, *key: str) -> dict:
    return {tuple(row[name] for name in key) if len(key) > 1 else row[key[0]]: row.asDict() for row in frame.collect()}


@pytest.fixture
def stored(tmp_path):
    """Store the vectors of documents and of texts, as the job does; return what opens them in a worker."""

    def store(documents, texts):
        home = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, vectors in (("doc_id", documents), ("text_id", texts)):
            (home / name).mkdir(parents=True)
            columns = {
                name: pa.array(list(vectors), pa.string()),
                "vector": pa.array(list(vectors.values()), pa.list_(pa.float32())),
            }
            pq.write_table(pa.table(columns), home / name / "part.parquet")
        store_vectors({home / "doc_id": "doc_id", home / "text_id": "text_id"}, home / "vectors")
        return OpenVectors(str(home / "vectors"))

    return store


@pytest.fixture
def mined(rows, stored):
    """One query: a and b found by both retrievers, c by BM25 alone, n written by a model; p known, but not found."""
    candidates = rows(
        CANDIDATES,
        ("q", "a", "bm25", 2, 7.5),
        ("q", "a", "ann", 1, 0.9),
        ("q", "b", "ann", 2, 0.8),
        ("q", "b", "bm25", 1, 8.0),
        ("q", "c", "bm25", 3, 1.0),
        ("q", "n", "synthetic", 1, 0.0),
    )
    positives = rows(
        POSITIVES,
        positive("q", "p"),
        positive("q", "b"),
        positive("q", "c", reason="surplus_pair"),
        positive("q", "far", reason="surplus_pair"),
        positive("q", "not embedded"),
        positive("unmined", "a"),
    )
    vectors = unit_vectors(["q", "a", "b", "c", "n", "p", "far"])
    documents = {name: vectors[name] for name in ("a", "b", "c", "p", "far")}
    texts = {name: vectors[name] for name in ("q", "n")}
    return (candidates, positives, stored(documents, texts)), vectors


def test_every_pair_has_one_row_with_its_ranks_and_known_positives_have_one_too(mined):
    frames, _ = mined

    found = as_dicts(measure_pairs(*frames), "query_id", "doc_id")

    assert {query for query, _ in found} == {"q"}  # a query that was not mined has no pairs
    found = {doc: row for (_, doc), row in found.items()}
    assert set(found) == {"a", "b", "c", "n", "p"}  # a dropped positive that nobody found is no pair
    assert {name for name, row in found.items() if row["is_positive"]} == {"b", "c", "p"}
    assert [found["a"][name] for name in ("bm25_rank", "bm25_score", "ann_rank")] == [2, 7.5, 1]
    assert [found["n"][name] for name in ("bm25_rank", "bm25_score", "ann_rank", "teacher")] == [None] * 4
    assert [found["p"][name] for name in ("bm25_rank", "ann_rank")] == [None, None]


@pytest.mark.parametrize("partitions", [1, 7])
def test_cosines_equal_brute_force_however_the_input_is_partitioned(mined, partitions):
    (candidates, positives, opener), vectors = mined
    matrix = {name: np.array(vector, dtype=np.float32).astype(np.float64) for name, vector in vectors.items()}
    known = ["b", "c", "p"]

    measured = measure_pairs(candidates.repartition(partitions), positives.repartition(partitions), opener)

    for name, row in as_dicts(measured, "doc_id").items():
        others = [float(matrix[name] @ matrix[other]) for other in known if other != name]
        assert row["dense"] == pytest.approx(float(matrix[name] @ matrix["q"]), abs=6e-7)
        assert row["positive_sim"] == pytest.approx(max(others), abs=6e-7)
        assert row["dense"] == round(row["dense"], 6)


@pytest.mark.parametrize(("partitions", "batch"), [(1, 2048), (1, 1), (3, 7), (3, 64)])
def test_many_queries_are_measured_alike_wherever_partitions_and_batches_end(
    spark,
    rows,
    stored,
    monkeypatch,
    partitions,
    batch,
):
    rng = np.random.default_rng(8)
    documents = unit_vectors([f"d{n:02}" for n in range(60)], dimensions=48, seed=1)
    queries = unit_vectors([f"q{n:02}" for n in range(12)], dimensions=48, seed=2)
    found = {query: rng.permutation(list(documents))[: 1 + n * 4].tolist() for n, query in enumerate(queries)}
    known = {query: rng.permutation(list(documents))[: n % 4].tolist() for n, query in enumerate(queries)}
    candidates = rows(
        CANDIDATES,
        *[
            (query, doc, name, rank, 1.0)
            for query, docs in found.items()
            for rank, doc in enumerate(docs, start=1)
            for name in ("bm25", "ann")
        ],
    )
    positives = rows(POSITIVES, *[positive(query, doc) for query, docs in known.items() for doc in docs])
    monkeypatch.setattr(signals, "spread", lambda frame, key: frame.repartition(partitions, key))
    size = spark.conf.get(BATCH_ROWS)
    spark.conf.set(BATCH_ROWS, batch)
    try:
        got = [tuple(row)[:8] for row in measure_pairs(candidates, positives, stored(documents, queries)).collect()]
    finally:
        spark.conf.set(BATCH_ROWS, size)

    doubles = {name: np.array(vector, np.float32).astype(np.float64) for name, vector in (documents | queries).items()}

    def cosine(one, other):
        return float(np.round((doubles[one] * doubles[other]).sum(), 6))

    expected = []
    for query in queries:
        for doc in {*found[query], *known[query]}:
            rank = found[query].index(doc) + 1 if doc in found[query] else None
            nearest = max((cosine(doc, other) for other in known[query] if other != doc), default=None)
            expected.append((query, doc, doc in known[query], rank, rank and 1.0, rank, cosine(query, doc), nearest))
    assert sorted(got) == sorted(expected)  # to the last bit


def test_a_single_positive_is_similar_to_no_other_one(mined, rows):
    (candidates, _, opener), _ = mined
    found = as_dicts(measure_pairs(candidates, rows(POSITIVES, positive("q", "p")), opener), "doc_id")
    assert found["p"]["positive_sim"] is None
    assert found["a"]["positive_sim"] is not None


def test_a_candidate_without_an_embedding_is_an_error_that_names_it(mined, stored):
    (candidates, positives, _), vectors = mined
    opener = stored({name: vectors[name] for name in ("a", "b", "p")}, {name: vectors[name] for name in ("q", "n")})
    with pytest.raises(Exception, match=r"ContractError.*got none for c of query q"):
        measure_pairs(candidates, positives, opener).collect()
    assert issubclass(ContractError, Exception)


def test_candidates_of_no_embedded_query_are_no_pairs(mined, stored):
    (candidates, positives, _), _ = mined
    assert measure_pairs(candidates, positives, stored({}, {})).collect() == []


@pytest.fixture
def gold(rows):
    """Forty queries with a positive each and six candidates, d0 the closest (too close to be taught as negative)."""
    scores, positives = [], []
    for number in range(40):
        query = f"q{number:02d}"
        positives.append(positive(query, f"{query}-p"))
        scores.append(score(query, f"{query}-p", 0.8, is_positive=True, ann_rank=1))
        scores += [score(query, f"{query}-d{rank}", 0.79 - 0.1 * rank, ann_rank=rank + 2) for rank in range(6)]
    positives.append(positive("q00", "q00-d3", reason="surplus_pair"))
    positives.append(positive("llm", "q01-p", rule="synthetic"))
    scores.append(score("llm", "q01-p", 0.9, is_positive=True, ann_rank=1))
    return rows(SCORES, *scores), rows(POSITIVES, *positives)


def test_the_teacher_learns_from_gold_alone_and_never_from_held_out_queries(gold):
    scores, positives = gold
    cfg = LabelConfig(held_out=0.4, mined_negatives=2, random_negatives=1)

    lessons = choose_lessons(scores, positives, cfg, SEED).collect()

    taught = {row.query_id for row in lessons}
    measured = {row.query_id for row in choose_measured(scores, positives, cfg, SEED).collect()}
    held_out = {f"q{n:02d}" for n in range(40) if unit_of(SEED, "held out", f"q{n:02d}") < 0.4}
    assert 8 <= len(held_out) <= 24
    assert measured == held_out
    assert taught == {f"q{n:02d}" for n in range(40)} - held_out


def test_no_known_or_likely_positive_is_taught_as_a_negative(gold):
    scores, positives = gold
    is_known = "is_positive OR doc_id = 'q00-d3' AS is_positive"
    scores = scores.selectExpr("query_id", "doc_id", is_known, *SCORES.names[3:])

    lessons = choose_lessons(scores, positives, LabelConfig(mined_negatives=5, random_negatives=2), SEED).collect()

    known = {(row.query_id, row.doc_id) for row in positives.collect()}
    negatives = [(row.query_id, row.doc_id) for row in lessons if row.label == 0.0]
    mined = [doc for query, doc in negatives if doc.startswith(query)]
    assert not known & set(negatives)
    assert mined
    assert not [doc for doc in mined if doc.endswith("d0")]  # 0.79 is within 5 % of the positive's 0.8
    assert len(negatives) == len(set(negatives))
    foreign = [doc for query, doc in negatives if not doc.startswith(query)]
    assert len(foreign) == 2 * len({row.query_id for row in lessons})


@pytest.mark.parametrize("partitions", [1, 7])
def test_lessons_are_bounded_and_the_same_however_partitioned(gold, partitions):
    cfg = LabelConfig(gold_queries=5, mined_negatives=2, random_negatives=1)

    def choose(count):
        found = choose_lessons(gold[0].repartition(count), gold[1].repartition(count), cfg, SEED)
        return [tuple(row) for row in found.orderBy("place", "query_id", "doc_id").collect()]

    lessons = choose(partitions)
    assert lessons == choose(2)
    assert len({query for query, *_ in lessons}) == 5
    assert sum(label for _, _, label, _ in lessons) == 5


def test_queries_with_several_positives_are_measured_first(gold):
    scores, positives = gold
    cfg = LabelConfig(held_out=0.9, measure_queries=1)
    several = next(f"q{n:02d}" for n in range(40) if unit_of(SEED, "held out", f"q{n:02d}") < 0.9 and n > 20)
    second = positives.where(f"query_id = '{several}'").selectExpr(
        "query_id", "query", f"'{several}-d5' AS doc_id", "rule", "grade", "domain", "drop_reason"
    )
    known = scores.selectExpr(
        "query_id", "doc_id", f"is_positive OR doc_id = '{several}-d5' AS is_positive", *SCORES.names[3:]
    )
    found = choose_measured(known, positives.unionByName(second), cfg, SEED)
    assert [row.query_id for row in found.collect()] == [several]


@pytest.mark.parametrize("partitions", [1, 7])
def test_the_cap_goes_to_measured_queries_then_positives_then_the_hardest_of_each(gold, partitions):
    scores, positives = gold
    cfg = LabelConfig(cap=80, measure_queries=2, measure_depth=3, held_out=0.4)
    measured = {row.query_id for row in choose_measured(scores, positives, cfg, SEED).collect()}

    found = choose_labelled(scores.repartition(partitions), positives, cfg, SEED).collect()

    chosen = {(row.query_id, row.doc_id) for row in found}
    assert len(found) == len(chosen) == 80
    assert {(query, f"{query}-{each}") for query in measured for each in ("p", "d0", "d1", "d2")} <= chosen
    assert sum(doc.endswith("-p") for _, doc in chosen) == 41  # every query's positive
    others = [(query, doc) for query, doc in chosen if query not in measured and not doc.endswith("-p")]
    assert len(others) == 80 - 41 - 6
    assert all(doc.endswith("-d0") for _, doc in others)  # nobody's second hardest before everybody's hardest
    again = choose_labelled(scores.repartition(2), positives, cfg, SEED).collect()
    assert chosen == {(row.query_id, row.doc_id) for row in again}


class LengthScorer:
    """A scorer whose answer depends on the texts alone."""

    digest = "lengths"

    def score(self, pairs):
        return np.array([len(query) / (len(query) + len(text)) for query, text in pairs])


def test_scores_come_back_rounded_with_the_model_that_gave_them_and_the_rest_stays_null(rows):
    scores = rows(SCORES, score("q", "a", 0.5), score("q", "n", 0.4), score("q", "over the cap", 0.3))
    synthetic = ("r", "negative", "n", "written text", "a", "q", None, None)
    pairs = add_texts(
        scores.where("doc_id != 'over the cap'").select("query_id", "doc_id"),
        rows(POSITIVES, positive("q", "p")),
        rows(DOCUMENTS, document("a", "abc")),
        rows(SYNTHETICS, synthetic),
        LabelConfig(),
    )

    found = as_dicts(attach_teacher(scores, score_pairs(pairs, LengthScorer)), "doc_id")

    assert found["a"]["teacher"] == round(9 / 12, 6)
    assert found["n"]["teacher"] == round(9 / 21, 6)
    assert found["a"]["teacher_model"] == "lengths"
    assert (found["over the cap"]["teacher"], found["over the cap"]["teacher_model"]) == (None, None)


def test_texts_are_cut_before_they_travel(rows):
    pairs = rows(SCORES, score("q", "a", 0.5)).select("query_id", "doc_id")
    found = add_texts(
        pairs,
        rows(POSITIVES, positive("q", "p")),
        rows(DOCUMENTS, document("a", "x" * 10_000)),
        rows(SYNTHETICS),
        LabelConfig(max_length=16),
    )
    assert len(found.first().text) == 256


def test_a_teacher_without_negatives_is_refused():
    with pytest.raises(RecipeError, match="mined_negatives and random_negatives must not both be 0"):
        LabelConfig(mined_negatives=0, random_negatives=0)
