"""Clusters: planted ones are found, named below their groups, and every document joins the nearest."""

import numpy as np
import pyarrow as pa
import pytest

from jobs.engines.kmeans import FindCentres
from pipeline.bucket.clusters import (
    count_clusters,
    count_groups,
    draw_vectors,
    join_clusters,
    name_clusters,
    nearest,
)
from pipeline.bucket.config import BucketConfig, ClusterConfig
from schemas.documents import DOCUMENTS

SUBJECTS = {
    "tea": "tea leaf pot",
    "wine": "wine grape bottle",
    "train": "train track rail",
    "plane": "plane wing cabin",
}


def vector_of(place: int, draw: np.random.Generator) -> np.ndarray:
    """Two drinks near each other, two vehicles near each other."""
    middle = np.zeros(8)
    middle[place] = 1.0
    middle[4 + place // 2] = 1.5
    made = middle + draw.normal(scale=0.05, size=8)
    return (made / np.linalg.norm(made)).astype(np.float32)


@pytest.fixture(scope="module")
def planted(spark):
    from pipeline.contract import frame_of

    draw = np.random.default_rng(5)
    rows, vectors = [], []
    for number in range(80):
        subject = list(SUBJECTS)[number % 4]
        rows.append((f"d{number:03}", "s", "a", 1, None, "", SUBJECTS[subject], [], "f", subject, None, 9, "h", None))
        vectors.append((f"d{number:03}", vector_of(number % 4, draw).tolist()))
    return frame_of(spark, DOCUMENTS, rows), spark.createDataFrame(vectors, "doc_id string, vector array<float>")


CFG = BucketConfig(rule="cluster", min_size=4, cluster=ClusterConfig(clusters=4, groups=2, words=2))
FIND = FindCentres(rounds=25, seed=13)


@pytest.mark.parametrize("partitions", [1, 7])
def test_planted_clusters_are_found_and_named_at_any_partitioning(planted, partitions):
    documents, vectors = (frame.repartition(partitions) for frame in planted)
    lessons = draw_vectors(documents, vectors, CFG.cluster).toArrow()

    centres, paths = name_clusters(lessons, 4, CFG, FIND)
    guesses = {row.doc_id: row for row in join_clusters(vectors, centres, paths).collect()}

    assert len(set(paths)) == 4
    by_subject: dict[str, set[str]] = {}
    for row in documents.collect():
        by_subject.setdefault(row.domain, set()).add(guesses[row.doc_id].guess)
    assert all(len(names) == 1 for names in by_subject.values())
    names = {subject: next(iter(found)) for subject, found in by_subject.items()}
    assert all(set(name.split("/")[1].split("-")) <= set(SUBJECTS[subject].split()) for subject, name in names.items())
    groups = {subject: name.split("/")[0] for subject, name in names.items()}
    assert groups["tea"] == groups["wine"] != groups["train"] == groups["plane"]
    assert min(row.confidence for row in guesses.values()) > 0.9


def test_the_same_vectors_give_the_same_centres_in_the_same_order(planted):
    vectors = np.array([row.vector for row in planted[1].orderBy("doc_id").collect()], np.float32)
    once, again = FIND(vectors, 4), FIND(vectors, 4)
    assert once.tobytes() == again.tobytes()
    assert np.linalg.norm(once, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    owners, cosines = nearest(vectors, once)
    assert cosines == pytest.approx((vectors * once[owners]).sum(axis=1), abs=1e-5)


def test_one_cluster_of_one_document_has_a_name():
    lessons = pa.table({"doc_id": ["a"], "vector": pa.array([[1.0, 0.0]], pa.list_(pa.float32())), "text": ["tea pot"]})
    _, paths = name_clusters(lessons, 5, BucketConfig(rule="cluster"), FIND)
    assert paths == ["pot-tea"]


@pytest.mark.parametrize(
    ("documents", "settings", "expected"),
    [
        (10_000, {}, (20, 4)),
        (10, {}, (1, 1)),
        (10**7, {}, (256, 16)),
        (10_000, {"cluster": {"clusters": 9}}, (9, 3)),
        (10_000, {"depth": 1}, (20, 1)),
        (10_000, {"cluster": {"clusters": 30, "groups": 7}}, (30, 7)),
        (10_000, {"cluster": {"clusters": 30, "groups": 1}}, (30, 1)),
    ],
)
def test_how_many_clusters_and_groups_follow_from(documents, settings, expected):
    cfg = BucketConfig.from_mapping({"rule": "cluster", **settings})
    clusters = count_clusters(documents, cfg)
    assert (clusters, count_groups(clusters, cfg)) == expected
