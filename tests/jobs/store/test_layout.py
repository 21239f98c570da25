"""The paths of a workspace: what is found where, and what a mirror keeps alike."""

from pathlib import Path

import pytest

from jobs.store import layout


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")


def test_outputs_versions_builds_and_small_files_are_found_in_order(tmp_path: Path) -> None:
    make(
        tmp_path,
        "tables/ingest/b/_manifest.json",
        "tables/dedupe/a/documents/part-0.parquet",
        "datasets/d/v2/manifest.json",
        "datasets/d/v1/manifest.json",
        "datasets/d/.partial-x/manifest.json",
        "datasets/d/CURRENT",
        "datasets/d/history.json",
        "runs/r/stages.json",
        "runs/r/build.log",
    )
    assert layout.list_outputs(tmp_path) == [
        layout.output_folder(tmp_path, "dedupe", "a"),
        layout.output_folder(tmp_path, "ingest", "b"),
    ]
    (dataset,) = layout.list_datasets(tmp_path)
    assert [path.name for path in layout.list_versions(dataset)] == ["v1", "v2"]
    assert layout.list_builds(tmp_path) == [tmp_path / "runs/r/stages.json"]
    names = [path.relative_to(tmp_path).as_posix() for path in layout.list_small_files(tmp_path)]
    assert sorted(names) == ["datasets/d/CURRENT", "datasets/d/history.json", "runs/r/stages.json"]


@pytest.mark.parametrize(
    ("name", "is_small"),
    [
        ("tables/ingest/f/_manifest.json", True),
        ("tables/publish/f/dataset/dataset.json", True),
        ("datasets/d/v/manifest.json", True),
        ("datasets/d/.partial-v/manifest.json", False),
        ("tables/ingest/f/documents/part-0.parquet", False),
        ("runs/r/report.html", False),
        ("cache/shots/r/x.json", False),
    ],
)
def test_a_mirror_reads_what_is_small_whole(name: str, is_small: bool) -> None:
    assert bool(layout.SMALL.fullmatch(name)) == is_small


@pytest.mark.parametrize(
    ("name", "is_cached"),
    [
        ("cache/embeddings/d/part-0.parquet", True),
        ("cache/teachers/r@d/config.json", True),
        ("cache/embeddings/d/.part-0.partial", False),
        ("cache/embeddings/d/synced.json", False),
        ("cache/training/f/model.safetensors", False),
    ],
)
def test_a_mirror_carries_caches_but_no_checkpoints(name: str, is_cached: bool) -> None:
    assert bool(layout.CACHE_FILE.fullmatch(name)) == is_cached
