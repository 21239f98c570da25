"""The same dataset, byte for byte, however Spark parts the work: the tiny recipe with the real engines."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "jobs" / "recipes" / "pydocs-tiny.yaml"


def build(workspace: Path, partitions: int) -> dict[str, bytes]:
    """Build the dataset with that many partitions; return its files."""
    settings = {
        "spark.master": f"local[{min(partitions, 2)}]",
        "spark.sql.shuffle.partitions": partitions,
        "spark.default.parallelism": partitions,
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "jobs.cli",
            "build",
            str(RECIPE),
            "--workspace",
            str(workspace),
            "--until",
            "publish",
            *(part for key, value in settings.items() for part in ("--conf", f"{key}={value}")),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (pointer,) = workspace.glob("datasets/*/CURRENT")
    home = pointer.parent
    version = home / pointer.read_text().strip()
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in version.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, models: Path) -> tuple[Path, dict[str, bytes]]:
    """The workspace and the files of a build with one partition."""
    workspace = tmp_path_factory.mktemp("one")
    return workspace, build(workspace, 1)


@pytest.mark.parametrize("partitions", [2, 3, 7])
def test_more_partitions_publish_the_same_bytes_as_one(
    one: tuple[Path, dict[str, bytes]], partitions: int, tmp_path: Path
) -> None:
    workspace, expected = one
    # The language model's replies are an input: only through their journal are they reproducible.
    shutil.copytree(workspace / "cache" / "replies", tmp_path / "cache" / "replies")
    found = build(tmp_path, partitions)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
