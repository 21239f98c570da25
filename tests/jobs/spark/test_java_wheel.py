"""The launcher of the wheel's Java drops what that Java refuses, and nothing else."""

import os
import re
import subprocess

from jobs.spark.java import find_java


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
