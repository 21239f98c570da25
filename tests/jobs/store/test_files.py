"""Files are written whole or not at all, and a digest sees contents and names."""

import shutil
from pathlib import Path

import pytest

from jobs.store.files import digest_of, directory_digest, open_atomic, write_atomic, write_json


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_atomic(path, "old é\n")

    def break_off() -> None:
        with open_atomic(path) as handle:
            handle.write(b"half of the n")
            assert path.read_text(encoding="utf-8") == "old é\n"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert [file.name for file in tmp_path.iterdir()] == ["f"]
    assert path.read_text(encoding="utf-8") == "old é\n"
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_json_is_sorted_and_ends_in_a_line(tmp_path: Path) -> None:
    write_json(tmp_path / "f.json", {"b": 1, "a": "é"})
    assert (tmp_path / "f.json").read_text(encoding="utf-8") == '{\n "a": "é",\n "b": 1\n}\n'


def test_digests_see_contents_and_names_not_order(tmp_path: Path) -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    (tmp_path / "m").mkdir()
    write_json(tmp_path / "m" / "config.json", {"a": 1})
    first = directory_digest(tmp_path / "m")
    write_json(tmp_path / "m" / "config.json", {"a": 2})
    assert directory_digest(tmp_path / "m") != first


def test_a_model_is_read_once_until_a_file_is_replaced_even_by_one_of_the_same_size_and_time(tmp_path, monkeypatch):
    model, other = tmp_path / "m" / "weights.safetensors", tmp_path / "other"
    model.parent.mkdir()
    model.write_bytes(b"abc")
    first = directory_digest(model.parent)
    with monkeypatch.context() as patch:
        patch.setattr("jobs.store.files.file_sha256", lambda path: pytest.fail(f"{path} was read again"))
        assert directory_digest(model.parent) == first
    other.write_bytes(b"abd")
    shutil.copystat(model, other)
    other.replace(model)
    assert directory_digest(model.parent) != first
