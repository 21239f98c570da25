"""The tests mirror the source: who knows where a module lies knows where its tests lie."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("schemas", "pipeline", "jobs", "trainer")
WIDEST = 20  # Python files that one folder may hold


@pytest.mark.parametrize("room", ROOMS)
def test_every_test_file_has_a_module_of_its_name(room):
    tests = sorted((ROOT / "tests" / room).rglob("test_*.py"))
    for test in tests:
        place = ROOT / test.parent.relative_to(ROOT / "tests")
        name = test.stem.removeprefix("test_")
        homes = [place / f"{name}.py", place / name / "__init__.py", place / f"__{name}__.py"]
        assert any(path.is_file() for path in homes), f"{test.relative_to(ROOT)} tests no module of its name"
    assert tests


def test_no_folder_is_too_wide_to_look_through():
    folders = {path.parent for room in (*ROOMS, "tests") for path in (ROOT / room).rglob("*.py")}
    assert not {folder: count for folder in folders if (count := len([*folder.glob("*.py")])) > WIDEST}
