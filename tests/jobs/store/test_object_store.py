"""Names that a store lists are places below the workspace, or they are not looked at."""

import uuid
from pathlib import Path

import fsspec
import pytest

from jobs.store.object_store import Remote
from schemas.errors import ShardError

STRANGE = (
    "cache/../../x",
    "runs/../x.json",
    "../x",
    "/x",
    "runs//x.json",
    "runs/r/stages.json/",
    "cache/a\\..\\b/c",
    "runs/a\0/x.json",
    "runs/a\n/x.json",
    "cache/k/d/" + "x" * 300,
)


@pytest.fixture
def remote() -> Remote:
    return Remote(f"memory://{uuid.uuid4().hex}/w")


def test_only_plain_paths_below_the_workspace_are_listed(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("runs/r/stages.json", "datasets/größe/CURRENT", *STRANGE)
    found = {f"{remote._root}/{name}": {"size": 3} for name in names}
    monkeypatch.setattr(remote._fs, "find", lambda root, detail: found)
    assert remote.list() == {"runs/r/stages.json": 3, "datasets/größe/CURRENT": 3}


@pytest.mark.parametrize("name", [name for name in STRANGE if not name.endswith("/")])
def test_nothing_is_written_outside_of_the_folder(remote: Remote, tmp_path: Path, name: str) -> None:
    (tmp_path / "mirror").mkdir()
    with pytest.raises(ShardError, match="must name files by plain paths"):
        remote.get({name: None}, tmp_path / "mirror")
    assert [path.name for path in tmp_path.rglob("*")] == ["mirror"]


def test_a_link_in_the_folder_leads_nowhere(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "mirror" / "cache").symlink_to(tmp_path / "outside")
    fsspec.filesystem("memory").pipe_file(f"{remote.uri}/cache/k/d/part", b"x")
    with pytest.raises(ShardError, match="a symbolic link on the way"):
        remote.get({"cache/k/d/part": None}, tmp_path / "mirror")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_file_is_looked_at_as_far_as_asked(remote: Remote) -> None:
    fsspec.filesystem("memory").pipe_file(f"{remote.uri}/lease.json", b"x" * 1000)
    assert remote.look("lease.json", 10) == b"x" * 10
    assert remote.look("none", 10) is None
