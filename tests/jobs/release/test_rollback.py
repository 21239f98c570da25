"""Rolling back: which version it goes to, and what it withdraws."""

import json
from pathlib import Path

import pytest

from jobs.cli.main import main
from jobs.release.history import current_version, is_withdrawn
from jobs.release.rollback import roll_back
from tests.jobs.release.published import names, publish


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
