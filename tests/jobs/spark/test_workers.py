"""Workers that open a model come with its libraries imported, but not where there is a GPU."""

import sys

import pyarrow as pa

from jobs.spark.workers import import_ahead


def test_workers_asked_for_ahead_come_with_their_imports_and_others_without(spark, monkeypatch):
    def look(batches):
        for _ in batches:
            yield pa.RecordBatch.from_pylist([{"there": "wave" in sys.modules}])

    def ask() -> set[bool]:
        return {row.there for row in spark.range(4).repartition(2).mapInArrow(look, "there boolean").collect()}

    monkeypatch.setattr(spark.sparkContext, "environment", dict(spark.sparkContext.environment))
    monkeypatch.setattr("jobs.spark.workers.shutil.which", lambda _: None)
    assert ask() == {False}
    import_ahead(spark, "wave", "no_such_module")
    assert ask() == {True}


def test_on_a_gpu_nothing_is_imported_ahead(spark, monkeypatch):
    monkeypatch.setattr("jobs.spark.workers.shutil.which", lambda _: "/usr/bin/nvidia-smi")
    before = dict(spark.sparkContext.environment)
    import_ahead(spark, "wave")
    assert spark.sparkContext.environment == before
