"""What the pages say of the tree is so: files they name are there, links lead somewhere, the README stays readable."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "DECISIONS.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
HISTORY = {"DECISIONS.md"}  # names files that are no more

_NAMED = re.compile(r"`((?:schemas|pipeline|jobs|trainer|tests|spark-conf|docs)/[\w./-]*)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
_TARGET = re.compile(r"\bmake ([a-z][a-z-]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    named = set() if page.name in HISTORY else {ROOT / name for name in _NAMED.findall(text) if "NAME" not in name}
    linked = {page.parent / name for name in _LINK.findall(text)}

    assert [str(path.relative_to(ROOT)) for path in sorted(named | linked) if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_is_there(page):
    targets = set(re.findall(r"^([a-z][a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = "\n".join(re.findall(r"`[^`]+`|```.*?```", page.read_text(encoding="utf-8"), re.DOTALL))

    assert set(_TARGET.findall(commands)) - targets == set()


def test_a_newcomer_reads_the_readme_to_its_end():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 250
