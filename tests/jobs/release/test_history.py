"""The publish history: the order of versions, rolling back, and what a rollback withdraws."""

from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from jobs.release.history import current_version, read_history
from jobs.release.rollback import roll_back
from schemas.errors import RecipeError, ShardError
from tests.jobs.release.published import names, publish


def test_the_history_has_every_version_in_the_order_of_its_latest_publication(tmp_path: Path) -> None:
    publish(tmp_path, "a", "b", "a", "c")
    assert names(tmp_path) == ["b", "a", "c"]
    assert current_version(tmp_path) == "c"
    assert read_history(tmp_path)[-1].stages == {"publish": "of-c"}


def test_a_clock_that_jumps_changes_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        hour = 12

        @classmethod
        def now(cls, zone: tzinfo) -> datetime:
            return datetime(2026, 3, 1, cls.hour, tzinfo=zone)

    monkeypatch.setattr("jobs.release.versions.datetime", Clock)
    for Clock.hour, version in ((12, "a"), (3, "b"), (23, "c"), (1, "d")):
        publish(tmp_path, version)
    assert [entry.at[11:13] for entry in read_history(tmp_path)] == ["12", "03", "23", "01"]
    assert names(tmp_path) == ["a", "b", "c", "d"]
    assert roll_back(tmp_path) == ("d", "c")
    assert roll_back(tmp_path) == ("c", "b")
    assert names(tmp_path) == ["a", "b", "c-", "d-"]


def test_publishing_the_current_version_again_writes_nothing(tmp_path: Path) -> None:
    publish(tmp_path, "a")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.is_file()}
    publish(tmp_path, "a")
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.is_file()} == before


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="must have a current version, got None"):
        roll_back(tmp_path)
    publish(tmp_path, "a")
    with pytest.raises(RecipeError, match="published before a, got none"):
        roll_back(tmp_path)
    with pytest.raises(RecipeError, match="--to must be one of a, got 'x'"):
        roll_back(tmp_path, "x")
    (tmp_path / "history.json").write_text("[{")
    with pytest.raises(ShardError, match=r"history\.json is damaged"):
        read_history(tmp_path)
