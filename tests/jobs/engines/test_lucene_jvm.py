"""Lucene's Java runs inside our process, also where the wheel's Java is all there is."""

import json
import os
import subprocess
import sys

import pytest

SPARK_AND_LUCENE = """
import json, os, sys, tempfile
from pathlib import Path
from jobs.engines.lucene_jvm import start_lucene_jvm
from jobs.spark.java import find_java
from jobs.spark.session import start_session

found = find_java()
spark = start_session("java-test", Path(sys.argv[1]) / "spark.log", extra={"spark.master": "local[1]"})
count = spark.range(1000).count()
version = spark.sparkContext._jvm.System.getProperty("java.version")
spark.stop()

start_lucene_jvm("256m", whole=False)
start_lucene_jvm("256m", whole=False)
from pyserini.pyclass import autoclass

index = str(Path(sys.argv[1]) / "index")
indexer = autoclass("io.anserini.index.SimpleIndexer")(index)
for name, text in (("a", "the quick brown fox"), ("b", "a lazy dog")):
    indexer.addRawDocument(json.dumps({"id": name, "contents": text}))
indexer.close()
hits = autoclass("io.anserini.search.SimpleSearcher")(index).search("dog", 5)
print(json.dumps({
    "origin": found.origin, "home": str(found.home), "count": count, "version": version,
    "hits": [hit.docid for hit in hits], "key": os.environ.get("OPENAI_API_KEY"),
}))
"""


@pytest.mark.engine
def test_spark_and_lucene_run_under_the_wheels_java_even_where_a_jdk_is(tmp_path):
    environment = {**os.environ, "PAIRWRIGHT_JAVA": "wheel", "SPARK_LOCAL_IP": "127.0.0.1"}
    environment.pop("OPENAI_API_KEY", None)
    script = tmp_path / "script.py"
    script.write_text(SPARK_AND_LUCENE)

    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["origin"] == "wheel"
    assert said["version"].startswith("21.")
    assert said["count"] == 1000
    assert said["hits"] == ["b"]
    assert said["key"] is None
    assert "WARN" not in done.stderr
