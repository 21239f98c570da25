"""The store: an output exists when its manifest does, and a damaged file is never read."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.store.files import count_rows
from jobs.store.tables import Store
from schemas.errors import EngineError, ShardError


def write_table(home: Path) -> None:
    (home / "t").mkdir()
    pq.write_table(pa.table({"a": [1, 2, 3], "drop_reason": [None, "x", None]}), home / "t" / "part-0.parquet")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_nothing_is_there_before_the_manifest(store: Store) -> None:
    write_table(store.begin("s", "f"))
    assert store.manifest("s", "f") is None
    with pytest.raises(ShardError, match="is not built"):
        store.open("s", "f", "t")


def test_a_broken_run_is_cleared_by_the_next(store: Store) -> None:
    (store.begin("s", "f") / "half").write_text("x")
    home = store.begin("s", "f")
    assert list(home.iterdir()) == []
    store.abandon("s", "f")
    assert not home.exists()


def test_a_committed_output_is_opened_and_counted(store: Store) -> None:
    home = store.begin("s", "f")
    write_table(home)
    store.commit("s", "f", {"t": count_rows(home / "t", with_reasons=True)}, {"notes": {}})
    store.abandon("s", "f")  # must not touch what is complete
    assert store.open("s", "f", "t") == home / "t"
    manifest = store.manifest("s", "f")
    assert manifest is not None
    assert manifest["outputs"]["t"]["reasons"] == {"kept": 2, "x": 1}


@pytest.mark.parametrize("harm", ["truncate", "flip", "delete"])
def test_a_damaged_file_is_an_error_that_names_it(store: Store, harm: str) -> None:
    home = store.begin("s", "f")
    write_table(home)
    store.commit("s", "f", {"t": {}}, {})
    file = home / "t" / "part-0.parquet"
    data = file.read_bytes()
    if harm == "delete":
        file.unlink()
    else:
        file.write_bytes(data[:-1] if harm == "truncate" else bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(ShardError, match=r"part-0\.parquet is damaged"):
        store.open("s", "f", "t")


def test_a_damaged_manifest_is_an_error_that_names_it(store: Store) -> None:
    (store.begin("s", "f") / "_manifest.json").write_text('{"stage": ')
    with pytest.raises(ShardError, match=r"_manifest\.json is damaged"):
        store.manifest("s", "f")


def test_a_workspace_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("a file where a folder should be")
    with pytest.raises(EngineError, match="try another --workspace"):
        Store(tmp_path).begin("s", "f")


@pytest.mark.parametrize("name", ["part-1.parquet", "more/part-0.parquet", "notes.txt"])
def test_a_file_that_the_manifest_does_not_name_is_told_with_the_way_out(store: Store, name: str) -> None:
    home = store.begin("s", "f")
    write_table(home)
    store.commit("s", "f", {"t": {}}, {})
    foreign = home / "t" / name
    foreign.parent.mkdir(exist_ok=True)
    shutil.copy(home / "t" / "part-0.parquet", foreign)
    with pytest.raises(ShardError, match=rf"and no others, got {name}; try moving that file elsewhere"):
        store.open("s", "f", "t")
    foreign.unlink()
    assert store.open("s", "f", "t") == home / "t"


def test_what_spark_and_editors_leave_beside_a_table_is_no_foreign_file(store: Store) -> None:
    home = store.begin("s", "f")
    write_table(home)
    store.commit("s", "f", {"t": {}}, {})
    for name in ("_SUCCESS", "._SUCCESS.crc", ".part-0.parquet.crc", ".DS_Store"):
        (home / "t" / name).write_text("")
    assert store.open("s", "f", "t") == home / "t"


def test_a_manifest_that_names_a_file_above_its_folder_is_refused(store: Store) -> None:
    home = store.begin("s", "f")
    write_table(home)
    store.commit("s", "f", {"t": {}}, {})
    text = (home / "_manifest.json").read_text()
    (home / "_manifest.json").write_text(text.replace('"part-0.parquet"', '"../../../../secret"'))
    with pytest.raises(ShardError, match=r"_manifest\.json must name files by plain paths"):
        store.open("s", "f", "t")
