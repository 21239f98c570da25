"""A published version is what its manifest says, and CURRENT moves to no other."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs.cli.main import main
from jobs.release.history import current_version, read_history
from jobs.release.rollback import roll_back
from jobs.release.versions import (
    check_version,
    find_dataset,
    find_version,
    finish_publishing,
    is_sound,
    name_version,
    publish_version,
)
from jobs.store.files import file_sha256, write_json
from schemas.errors import ShardError


def publish(home: Path, text: str) -> Path:
    """Publish a version with one shard and one evaluation set, and return its directory."""
    partial = home / ".partial"
    for name in ("stage1/batches-0000000.parquet", "eval/own/corpus.jsonl"):
        (partial / name).parent.mkdir(parents=True)
        (partial / name).write_text(f"{text} {name}")
    for name in ("README.md", "croissant.json"):
        (partial / name).write_text(text)
    files = [path for path in sorted(partial.rglob("*")) if path.is_file() and path.parent != partial]
    facts = [
        {"path": path.relative_to(partial).as_posix(), "bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for path in files
    ]
    body = {"format": 1, "files": facts}
    write_json(partial / "manifest.json", {**body, "version": name_version(body)})
    return publish_version(partial, home, name_version(body), {"publish": "f"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "docs.jsonl").write_text(json.dumps({"text": "a text"}) + "\n")
    (tmp_path / "r.yaml").write_text("name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")
    return tmp_path / "w" / "datasets" / "r"


def cut(version: Path) -> None:
    (version / "stage1" / "batches-0000000.parquet").write_text("short")


def flip(version: Path) -> None:
    path = version / "stage1" / "batches-0000000.parquet"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def lose(version: Path) -> None:
    (version / "eval" / "own" / "corpus.jsonl").unlink()


def add(version: Path) -> None:
    (version / "stage1" / "batches-0000256.parquet").write_text("rows of somebody else")


def rewrite(version: Path) -> None:
    manifest = json.loads((version / "manifest.json").read_text())
    write_json(version / "manifest.json", {**manifest, "seed": 99})


def lead_out(version: Path) -> None:
    text = (version / "manifest.json").read_text()
    (version / "manifest.json").write_text(text.replace("eval/own/corpus.jsonl", "../../../../secret.jsonl"))


def garble(version: Path) -> None:
    (version / "manifest.json").write_text('{"files": [')


HARMS = [cut, flip, lose, add, rewrite, lead_out, garble]


@pytest.mark.parametrize("harm", HARMS)
def test_a_rollback_refuses_a_version_that_is_not_as_published(home: Path, harm, capsys) -> None:
    old, new = publish(home, "one"), publish(home, "two")
    assert roll_back(home) == (new.name, old.name)
    before = read_history(home)
    harm(new)
    with pytest.raises(SystemExit) as ended:
        main(["rollback", str(home.parents[2] / "r.yaml"), "--workspace", str(home.parents[1]), "--to", new.name])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert new.name in told
    assert current_version(home) == old.name
    assert read_history(home) == before


@pytest.mark.parametrize("harm", HARMS)
def test_publishing_the_same_again_makes_a_damaged_version_good(home: Path, harm) -> None:
    version = publish(home, "one")
    assert is_sound(version)
    harm(version)
    assert not is_sound(version)
    assert publish(home, "one") == version
    assert is_sound(version)


def test_a_quick_look_sees_sizes_a_deep_one_every_byte(home: Path) -> None:
    version = publish(home, "one")
    flip(version)
    check_version(version, deep=False)
    with pytest.raises(ShardError, match=r"must match its manifest\.json, got other bytes in stage1/batches-0000000"):
        check_version(version)
    cut(version)
    with pytest.raises(ShardError, match=r"of 5 bytes, not \d+; try another version"):
        check_version(version, deep=False)


def test_notes_beside_the_data_harm_nobody(home: Path) -> None:
    version = publish(home, "one")
    (version / "notes.txt").write_text("bought on Monday")
    (version / "stage1" / ".DS_Store").write_text("")
    check_version(version)


@pytest.mark.parametrize("text", ["../../elsewhere", "a/b", "", ".hidden", "x" * 70_000, "\x1b[2J"])
def test_current_names_a_version_and_no_other_place(home: Path, text: str) -> None:
    publish(home, "one")
    (home / "CURRENT").write_text(text)
    with pytest.raises(ShardError, match="CURRENT must"):
        roll_back(home)


@pytest.mark.parametrize(
    "entry",
    [
        {"version": "../../../etc", "stages": {}, "at": ""},
        {"version": "v", "stages": {"ingest": "../.."}, "at": ""},
        {"version": "v", "stages": [], "at": ""},
        {"version": "v", "at": ""},
        {"version": 7, "stages": {}, "at": ""},
        {"version": "v", "stages": {}, "at": 3},
        "v",
    ],
)
def test_a_history_with_strange_entries_is_damaged(home: Path, entry: object) -> None:
    publish(home, "one")
    write_json(home / "history.json", [entry])
    with pytest.raises(ShardError, match=r"history\.json is damaged"):
        read_history(home)


def test_what_a_later_release_adds_to_the_history_is_let_be(home: Path) -> None:
    home.mkdir(parents=True)
    write_json(home / "history.json", [{"version": "v", "stages": {}, "at": "", "signed": True}])
    assert [entry.version for entry in read_history(home)] == ["v"]


@pytest.mark.parametrize(
    "pointer", [{"name": "..", "version": "v"}, {"name": "r", "version": "../v"}, {"name": "r"}, {"name": 3}, []]
)
def test_an_output_of_publish_names_a_version_of_this_workspace(tmp_path: Path, pointer: object) -> None:
    write_json(tmp_path / "dataset.json", pointer)
    with pytest.raises(ShardError, match=r"dataset\.json"):
        find_version(tmp_path, tmp_path)


@pytest.mark.parametrize("harm", HARMS)
def test_training_and_measuring_start_from_no_damaged_version(home: Path, tmp_path: Path, harm) -> None:
    version = publish(home, "one")
    write_json(tmp_path / "dataset.json", {"name": "r", "version": version.name})
    run = SimpleNamespace(workspace_dir=tmp_path / "w", source_of=lambda _: tmp_path, fetch_version=lambda path: path)
    assert find_dataset(run) == version
    harm(version)
    with pytest.raises(ShardError, match=version.name):
        find_dataset(run)


def test_a_version_that_is_put_in_place_becomes_current_at_the_end_unless_it_was_rolled_back(home: Path) -> None:
    first = publish(home, "one")
    run = SimpleNamespace(
        workspace_dir=home.parents[1], artefact=lambda _: home.parents[1] / "out", fingerprints=lambda: {"publish": "f"}
    )
    second = publish(home, "two")
    run.artefact("dataset").mkdir()
    write_json(run.artefact("dataset") / "dataset.json", {"name": home.name, "version": first.name})
    finish_publishing(run)
    assert current_version(home) == first.name
    roll_back(home, second.name)
    finish_publishing(run)
    assert current_version(home) == second.name
