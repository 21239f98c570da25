"""The parts of a cache: writers add to each other, a value stored twice counts once, and many become few."""

from __future__ import annotations

import shutil

from jobs.cache import parts as module
from jobs.cache.parts import Cache

VECTORS = {"vector": "array<float>"}


def rows_of(spark, *keys):
    rows = [(key, [float(len(key)), 0.5]) for key in keys]
    return spark.createDataFrame(rows, "key string, vector array<float>").coalesce(1)


def test_two_writers_add_to_each_other_and_a_value_stored_twice_counts_once(spark, tmp_path):
    first, second = (Cache(spark, tmp_path / "c", ["key"], VECTORS) for _ in range(2))
    first.append(rows_of(spark, "a", "bb"))
    second.append(rows_of(spark, "bb", "ccc"))
    assert len(first.parts()) == 2

    wanted = spark.createDataFrame([("a",), ("bb",), ("ccc",)], "key string")
    found = first.recall(wanted, lambda missing: missing.where("1 = 0").selectExpr("key", "array(0f) AS vector"))

    assert sorted((row.key, row.vector[0]) for row in found.collect()) == [("a", 1.0), ("bb", 2.0), ("ccc", 3.0)]


def test_many_parts_become_one_with_the_same_rows(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MANY_PARTS", 2)
    cache = Cache(spark, tmp_path, ["key"], VECTORS)
    for key in ("a", "bb", "ccc"):
        cache.append(rows_of(spark, key, "twice"))
    cache.compact()
    (part,) = cache.parts()
    assert sorted(row.key for row in cache.read().collect()) == ["a", "bb", "ccc", "twice"]
    cache.rewrite(cache.read())  # the same bytes again: the part must not delete itself
    assert cache.parts() == [part]


def test_parts_hold_a_bounded_number_of_rows(spark, tmp_path):
    cache = Cache(spark, tmp_path, ["key"], VECTORS)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "10")
    try:
        assert cache.append(rows_of(spark, *(f"k{i}" for i in range(35))), rows_a_part=10) == 35
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert len(cache.parts()) == 4


def test_a_foreign_file_is_not_read(spark, tmp_path):
    cache = Cache(spark, tmp_path, ["key"], VECTORS)
    cache.append(rows_of(spark, "a"))
    (part,) = cache.parts()
    for name in ("part-copy.parquet", "notes.parquet", f"{part.name}.bak"):
        shutil.copyfile(part, tmp_path / name)
    fresh = Cache(spark, tmp_path, ["key"], VECTORS)
    assert fresh.parts() == [part]
    assert [row.key for row in fresh.read().collect()] == ["a"]
