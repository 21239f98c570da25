"""Spark's classes come from an archive where Java can keep one, and nowhere when that is switched off."""

import os
import shutil
import subprocess
from pathlib import Path

import pyspark
import pytest

from jobs.spark import java
from jobs.spark.class_archive import SWITCH, archive_flags
from jobs.spark.java import find_java

FULL = "java.base jdk.incubator.vector jdk.zipfs"


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


def test_no_archive_is_kept_where_that_is_switched_off(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(java.CHOICE, "wheel")
    found = find_java()
    assert archive_flags(found) != ""
    monkeypatch.setenv(SWITCH, "off")
    assert archive_flags(found) == ""
