"""Manifests and pointers that others may have written are believed only in their own form."""

import json
from pathlib import Path

import pytest

from jobs.store.manifest import parse_manifest, parse_names, parse_version_manifest, read_small, resolve_below
from schemas.errors import ShardError

FILE = {"path": "part-0.parquet", "bytes": 3, "sha256": "0" * 64}


def manifest(**changed: object) -> bytes:
    return json.dumps({"outputs": {"documents": {"files": [{**FILE, **changed}]}}}).encode()


def test_a_manifest_of_ours_is_read_as_it_is() -> None:
    assert parse_manifest(manifest(), "m")["outputs"]["documents"]["files"] == [FILE]
    assert parse_version_manifest(json.dumps({"files": [FILE]}).encode(), "m")["files"] == [FILE]
    assert parse_names(b'{"name": "demo", "version": "0a1b"}', "m") == {"name": "demo", "version": "0a1b"}


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "C:\\x", "a\\..\\x", "", ".", "a\0b", None, 7])
def test_a_path_that_leads_out_is_refused_by_the_name_of_the_manifest(path: object) -> None:
    for refuse in (
        lambda: parse_manifest(manifest(path=path), "w/_manifest.json"),
        lambda: parse_version_manifest(json.dumps({"files": [{**FILE, "path": path}]}).encode(), "w/_manifest.json"),
    ):
        with pytest.raises(ShardError, match=r"^w/_manifest\.json must name files by plain paths") as told:
            refuse()
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"3",
        b'{"outputs": []}',
        b'{"outputs": {"documents": []}}',
        b'{"outputs": {"../documents": {"files": []}}}',
        b'{"outputs": {"documents": {}}}',
        b'{"outputs": {"documents": {"files": {"a": 1}}}}',
        b'{"outputs": {"documents": {"files": ["part-0"]}}}',
        manifest(bytes="3"),
        manifest(bytes=True),
        manifest(sha256=None),
        b'{"outputs": ',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_manifest_of_another_shape_is_one_line_that_names_it(content: bytes) -> None:
    with pytest.raises(ShardError, match=r"^m (is damaged|must name)") as told:
        parse_manifest(content, "m")
    assert len(str(told.value)) < 500


@pytest.mark.parametrize("content", [b'{"name": "../up"}', b'{"name": 3}', b'{"a/b": "c"}', b'["demo"]', b"{"])
def test_a_pointer_names_folders_and_nothing_else(content: bytes) -> None:
    with pytest.raises(ShardError, match=r"^m "):
        parse_names(content, "m")


def test_a_small_file_is_not_read_beyond_what_it_may_hold(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 11)
    assert read_small(tmp_path / "f", 11) == b"x" * 11
    assert read_small(tmp_path / "none", 11) is None
    with pytest.raises(ShardError, match="must be at most 10 bytes"):
        read_small(tmp_path / "f", 10)


def test_a_symbolic_link_leads_nowhere(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    assert resolve_below(folder, "a/b") == folder / "a" / "b"
    for name in ("link/x", "link"):
        with pytest.raises(ShardError, match="a symbolic link on the way"):
            resolve_below(folder, name)
    with pytest.raises(ShardError, match="plain paths"):
        resolve_below(folder, "../outside/x")
