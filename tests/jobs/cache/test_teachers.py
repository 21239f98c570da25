"""A kept teacher comes back while its lessons have hardly changed, and never when anything else has."""

import shutil
from pathlib import Path

import pytest

from jobs.cache.teachers import TeacherShelf
from jobs.store.layout import SYNCED
from pipeline.ports import Lesson

LESSONS = [Lesson(f"query {i}", f"text {i}", ("other", f"text {i + 1}")) for i in range(20)]
ONE_CHANGED = [*LESSONS[:-1], Lesson("query 19", "text 19", ("other", "text 21"))]


def model(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def shelf(tmp_path: Path) -> TeacherShelf:
    kept = TeacherShelf(tmp_path / "cache", "r", "settings")
    kept.keep(model(tmp_path / "first"), LESSONS)
    return kept


def test_it_comes_back_while_few_lessons_have_changed(shelf: TeacherShelf) -> None:
    found, changed = shelf.find(ONE_CHANGED, 0.05) or pytest.fail("no teacher")
    assert (found / "model.safetensors").read_bytes() == b"weights"
    assert changed == pytest.approx(0.05)
    assert shelf.find(LESSONS[:10], 0.05) is None
    assert shelf.find([*LESSONS, *(Lesson(f"new {i}", "t", ("u",)) for i in range(5))], 0.1) is None


def test_without_a_share_a_teacher_is_always_new(shelf: TeacherShelf) -> None:
    assert shelf.find(LESSONS, 0.0) is None


def test_other_settings_or_damaged_files_give_none(shelf: TeacherShelf) -> None:
    assert TeacherShelf(shelf.home, "r", "other settings").find(LESSONS, 0.5) is None
    (found, _) = shelf.find(LESSONS, 0.5) or pytest.fail("no teacher")
    (found / "model.safetensors").write_bytes(b"weightz")
    assert shelf.find(LESSONS, 0.5) is None


@pytest.mark.parametrize(
    "text",
    ['{"lessons": ["x"', "[]", "{}", "null", '{"lessons": 1}', '{"lessons": [[1]]}', '{"lessons": [{}]}', "[" * 9999],
)
def test_a_damaged_record_gives_none(shelf: TeacherShelf, text: str) -> None:
    (record,) = shelf.home.glob("*/lessons.json")
    record.write_text(text)
    assert shelf.find(LESSONS, 0.5) is None


def test_one_teacher_is_kept_and_no_text(shelf: TeacherShelf, tmp_path: Path) -> None:
    shelf.keep(model(tmp_path / "second", b"other weights"), ONE_CHANGED)
    (left,) = [folder for folder in shelf.home.iterdir() if any(folder.iterdir())]
    assert (left / "model.safetensors").read_bytes() == b"other weights"
    assert "text" not in (left / "lessons.json").read_text()


def test_another_recipe_has_a_teacher_of_its_own(shelf: TeacherShelf, tmp_path: Path) -> None:
    other = TeacherShelf(shelf.home, "r2", "settings")
    assert other.find(LESSONS, 0.5) is None
    other.keep(model(tmp_path / "second", b"other weights"), LESSONS)
    mine, others = (each.find(LESSONS, 0.5) or pytest.fail("no teacher") for each in (shelf, other))
    assert [found.name.partition("@")[0] for found, _ in (mine, others)] == ["r", "r2"]


def test_what_a_mirror_notes_beside_a_teacher_is_no_part_of_it(shelf: TeacherShelf, tmp_path: Path) -> None:
    (found, _) = shelf.find(LESSONS, 0.5) or pytest.fail("no teacher")
    (found / SYNCED).write_text("{}")
    (again, _) = shelf.find(LESSONS, 0.5) or pytest.fail("no teacher")
    (tmp_path / "taken").mkdir()
    shelf.take(again, tmp_path / "taken")
    assert sorted(path.name for path in (tmp_path / "taken").iterdir()) == ["config.json", "model.safetensors"]


def test_a_foreign_file_makes_it_another_teacher_and_a_copied_folder_is_none(shelf: TeacherShelf) -> None:
    (found, _) = shelf.find(LESSONS, 0.5) or pytest.fail("no teacher")
    shutil.copytree(found, found.with_name("r@copy"))
    assert (shelf.find(LESSONS, 0.5) or pytest.fail("no teacher"))[0] == found
    (found / "adapter.json").write_text("{}")
    assert shelf.find(LESSONS, 0.5) is None
