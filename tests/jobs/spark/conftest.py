"""A machine with the Javas that a test puts there, and no other."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.spark import java


@pytest.fixture
def jdk(tmp_path: Path) -> Callable[[str, str, str], Path]:
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
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without any Java but what a test puts there."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv(java.CHOICE, raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(java, "_USUAL_PLACES", ())
    java._find_java.cache_clear()
    yield
    java._find_java.cache_clear()
