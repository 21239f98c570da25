"""The publish history: the order of versions, rolling back, and what a rollback withdraws."""

import json
from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from jobs.cli.main import main
from jobs.release.history import current_version, is_withdrawn, read_history
from jobs.release.rollback import roll_back
from jobs.release.versions import make_current
from schemas.errors import RecipeError, ShardError


def publish(home: Path, *versions: str) -> None:
    for version in versions:
        (home / version).mkdir(parents=True, exist_ok=True)
        (home / version / "manifest.json").write_text('{"files": []}')
        make_current(home, version, {"publish": f"of-{version}"})


def names(home: Path) -> list[str]:
    return [entry.version + ("-" if entry.withdrawn else "") for entry in read_history(home)]


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


def test_a_rollback_goes_to_the_version_before_and_withdraws_what_came_after(tmp_path: Path) -> None:
    publish(tmp_path, "a", "b", "c", "d")
    assert roll_back(tmp_path) == ("d", "c")
    assert roll_back(tmp_path) == ("c", "b")
    assert current_version(tmp_path) == "b"
    assert names(tmp_path) == ["a", "b", "c-", "d-"]

    publish(tmp_path, "e")
    assert names(tmp_path) == ["a", "b", "c-", "d-", "e"]
    assert roll_back(tmp_path) == ("e", "b")  # not to one that was withdrawn


def test_a_withdrawn_version_comes_back_by_name_and_by_publishing_it(tmp_path: Path) -> None:
    publish(tmp_path, "a", "b", "c")
    roll_back(tmp_path, "a")
    assert roll_back(tmp_path, "b") == ("a", "b")
    assert names(tmp_path) == ["a", "b", "c-"]
    publish(tmp_path, "c")
    assert names(tmp_path) == ["a", "b", "c"]
    assert not is_withdrawn(tmp_path, "c")


def test_a_rollback_that_is_killed_before_the_swap_is_repeated_not_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, "a", "b")
    with monkeypatch.context() as broken:
        broken.setattr("jobs.release.rollback.swap", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            roll_back(tmp_path)
    assert current_version(tmp_path) == "b"
    assert is_withdrawn(tmp_path, "b")
    assert roll_back(tmp_path) == ("b", "a")


def test_a_version_of_before_there_was_a_history_can_be_gone_back_to(tmp_path: Path) -> None:
    publish(tmp_path, "old")
    (tmp_path / "history.json").unlink()
    publish(tmp_path, "new")
    assert roll_back(tmp_path) == ("new", "old")


def test_a_version_whose_files_are_gone_is_no_way_back(tmp_path: Path) -> None:
    publish(tmp_path, "a", "b", "c")
    (tmp_path / "b" / "manifest.json").unlink()
    assert roll_back(tmp_path) == ("c", "a")


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


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docs.jsonl").write_text(json.dumps({"text": "a text"}) + "\n")
    (tmp_path / "r.yaml").write_text("name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")
    home = tmp_path / "w" / "datasets" / "r"
    publish(home, "a", "b")
    with pytest.raises(SystemExit) as ended:
        main(["rollback", str(tmp_path / "r.yaml"), "--workspace", str(tmp_path / "w")])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "r: CURRENT was b, is a\n"
    assert current_version(home) == "a"
