"""Kept shots come back as they were, from a whole file of the same settings, and only the last are kept."""

import re
from pathlib import Path

import pytest

from jobs.cache.few_shots import ShotShelf
from jobs.store.files import write_json
from jobs.store.layout import CACHE_FILE, SHOTS, SYNCED

KEPT = [("domain", 1, "query", "doc", "negative", "shown"), ("domain", 2, "query2", "doc2", None, "shown2")]


@pytest.fixture
def shelf(tmp_path: Path) -> ShotShelf:
    kept = ShotShelf(tmp_path / "cache" / SHOTS / "r", "settings")
    kept.keep(KEPT)
    return kept


def test_they_come_back_in_their_places(shelf: ShotShelf) -> None:
    assert shelf.find() == KEPT


def test_other_settings_or_an_empty_shelf_give_none(shelf: ShotShelf, tmp_path: Path) -> None:
    assert ShotShelf(shelf.home, "other settings").find() == []
    assert ShotShelf(tmp_path / "none", "settings").find() == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-3],
        lambda text: text.replace("doc2", "doc3"),
        lambda _: "[1]",
        lambda _: "\udce9",
        lambda text: text.replace('"shots"', '"shot"'),
    ],
)
def test_a_damaged_file_gives_none_and_gives_way(shelf: ShotShelf, damage) -> None:
    (path,) = shelf.home.iterdir()
    path.write_bytes(damage(path.read_text()).encode("utf-8", "surrogateescape"))
    assert shelf.find() == []
    shelf.keep(KEPT[:1])
    assert shelf.find() == KEPT[:1]
    assert len(list(shelf.home.iterdir())) == 1


def test_only_the_last_are_kept_under_another_name(shelf: ShotShelf) -> None:
    (first,) = shelf.home.iterdir()
    ShotShelf(shelf.home, "other settings").keep(KEPT)
    (second,) = shelf.home.iterdir()
    assert first.name != second.name
    assert shelf.find() == []


def test_a_mirror_carries_them_and_its_list_beside_them_stays(shelf: ShotShelf, tmp_path: Path) -> None:
    (path,) = shelf.home.iterdir()
    assert re.fullmatch(CACHE_FILE, path.relative_to(tmp_path).as_posix())
    write_json(shelf.home / SYNCED, {path.name: path.stat().st_size})
    shelf.keep(KEPT[:1])
    assert (shelf.home / SYNCED).is_file()
    assert shelf.find() == KEPT[:1]


@pytest.mark.parametrize("text", ['{"made_of": "settings", "shots": [["of", 1, "another"]]}', "[" * 100_000])
def test_a_foreign_file_among_them_is_not_read(shelf: ShotShelf, text: str) -> None:
    (shelf.home / "0000-notes.json").write_text(text)
    assert shelf.find() == KEPT
