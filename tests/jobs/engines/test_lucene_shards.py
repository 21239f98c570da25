"""An index of several shards answers as one of a single shard does, hit for hit."""

import random

import pytest

from jobs.engines.lucene import LuceneBm25, build_lucene
from jobs.engines.lucene_shards import index_documents, plan_shards
from pipeline.ids import hash_id
from pipeline.index.config import IndexConfig
from schemas.errors import EngineError, ShardError

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def documents():
    draw = random.Random(7)
    words = [f"w{int(draw.paretovariate(0.6)) % 300}" for _ in range(40_000)]
    return sorted((hash_id(str(n)), " ".join(words[n * 40 : n * 40 + draw.randint(1, 40)])) for n in range(900))


@pytest.fixture(scope="module")
def queries():
    draw = random.Random(8)
    return [" ".join(f"w{draw.randrange(300)}" for _ in range(draw.randint(1, 9))) for _ in range(60)]


@pytest.mark.parametrize("partitions", [1, 5])
def test_hits_are_those_of_one_shard_whatever_the_partitions(spark, tmp_path, documents, queries, partitions):
    frame = spark.createDataFrame(documents, "doc_id string, text string").repartition(partitions)
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    build_lucene(documents, tmp_path / "one", IndexConfig())

    indexed = index_documents(
        frame, len(documents), tmp_path / "many", tmp_path / "scratch", IndexConfig(shard_documents=150)
    )

    assert indexed == len(documents)
    assert len(list((tmp_path / "many").glob("*.si"))) == 6  # as many segments as shards
    assert not (tmp_path / "scratch").exists()
    with LuceneBm25(tmp_path / "one") as one, LuceneBm25(tmp_path / "many") as many:
        assert many.search(queries, 40) == one.search(queries, 40)


@pytest.mark.parametrize(
    ("count", "cores", "shards"),
    [(0, 2, 0), (20_000, 2, 1), (20_001, 2, 2), (40_001, 2, 4), (40_001, 64, 3), (1_000_000, 7, 56)],
)
def test_no_core_waits_for_a_last_round_that_is_not_full(count, cores, shards):
    assert plan_shards(count, 20_000, cores) == shards


def test_documents_that_are_lost_on_the_way_are_told(spark, tmp_path, documents):
    frame = spark.createDataFrame(documents, "doc_id string, text string")
    (tmp_path / "index").mkdir()

    with pytest.raises(EngineError, match="must hold 901 documents, got 900"):
        index_documents(frame, 901, tmp_path / "index", tmp_path / "scratch", IndexConfig(shard_documents=300))


def test_a_shard_that_is_missing_is_told_by_whoever_opens_the_index(spark, tmp_path, documents):
    frame = spark.createDataFrame(documents, "doc_id string, text string")
    (tmp_path / "index").mkdir()
    index_documents(frame, 900, tmp_path / "index", tmp_path / "scratch", IndexConfig(shard_documents=300))
    next((tmp_path / "index").glob("_1*.cfs"), next((tmp_path / "index").glob("_1*"))).unlink()

    with pytest.raises(ShardError, match="try building the stage index again"):
        LuceneBm25(tmp_path / "index")
