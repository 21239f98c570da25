"""What a folder with a Java in it is: its release, and whether it has the module that Lucene computes with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

VECTOR_MODULE = "jdk.incubator.vector"
OLDEST_JAVA = 21


@dataclass(frozen=True)
class JavaHome:
    """A Java that can run Spark and Lucene."""

    home: Path
    version: int
    origin: str  # where it was found: "JAVA_HOME", "PATH", "usual place" or "wheel"
    vectors: bool  # has jdk.incubator.vector

    def __str__(self) -> str:
        """Say it the way the doctor prints it."""
        return f"Java {self.version} from {self.origin} ({self.home})"


def inspect_home(home: Path, origin: str) -> JavaHome | None:
    """Read what a home is from its ``release`` file: no process has to be started for it."""
    version = version_of(home)
    if not version:
        return None
    vectors = f" {VECTOR_MODULE} " in f" {_release(home).get('MODULES', '')} "
    vectors = vectors or (home / "jmods" / f"{VECTOR_MODULE}.jmod").is_file()
    return JavaHome(home, version, origin, vectors)


def _release(home: Path) -> dict[str, str]:
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(re.findall(r'^(\w+)="([^"\n]*)"', text, flags=re.MULTILINE))


def version_of(home: Path) -> int:
    """Return the feature release (21 for 21.0.8, 8 for 1.8.0), 0 where the home does not say."""
    found = re.match(r"(?:1\.)?(\d+)", _release(home).get("JAVA_VERSION", ""))
    return int(found.group(1)) if found else 0


def what_lacks(java: JavaHome | None) -> str:
    """Return in words why a Java is not taken."""
    if java is None:
        return "version unknown"
    if java.version < OLDEST_JAVA:
        return f"Java {java.version}"
    return f"Java {java.version} without {VECTOR_MODULE}"
