"""The whole way on a small real input with the real engines, once; then what must hold of what it left."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from jobs.views.explain import explain
from jobs.views.ledger import Ledger
from schemas.documents import DOCUMENTS
from schemas.errors import RecipeError
from schemas.mining import VERDICTS
from schemas.pairs import SYNTHETICS

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "jobs" / "recipes" / "pydocs-tiny.yaml"


def pairwright(*arguments: str, status: int = 0) -> str:
    """Run the command as a person would; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=900,
        check=False,
    )
    assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, models: Path) -> tuple[Path, str]:
    """A workspace in which the tiny recipe is built with one partition, and what the build printed."""
    assert models
    workspace = tmp_path_factory.mktemp("one") / "workspace"
    return workspace, build(workspace, 1, "report")


def build(workspace: Path, partitions: int, until: str) -> str:
    return pairwright(
        "build",
        str(RECIPE),
        "--workspace",
        str(workspace),
        "--until",
        until,
        "--conf",
        f"spark.master=local[{min(partitions, 2)}]",
        "--conf",
        f"spark.sql.shuffle.partitions={partitions}",
        "--conf",
        f"spark.default.parallelism={partitions}",
    )


def dataset_files(workspace: Path) -> dict[str, bytes]:
    home = workspace / "datasets" / "pydocs-tiny"
    version = home / (home / "CURRENT").read_text().strip()
    return {
        path.relative_to(home).as_posix(): path.read_bytes() for path in sorted(version.rglob("*")) if path.is_file()
    }


def test_the_build_ends_with_a_dataset_a_model_a_report_and_a_table(built: tuple[Path, str]) -> None:
    workspace, printed = built
    for word in ("ingest", "dedupe", "guard", "synthesise", "mine", "label", "judge", "publish", "train2", "nDCG@10"):
        assert re.search(word, printed, re.IGNORECASE), printed
    files = dataset_files(workspace)
    assert any("/stage1/" in name for name in files)
    assert any("/stage2/" in name for name in files)
    assert any(name.endswith("queries.jsonl") for name in files)
    assert (workspace / "runs" / "pydocs-tiny" / "report.html").is_file()
    assert list(workspace.glob("tables/train2/*/model/*.safetensors"))


def test_the_second_build_builds_nothing(built: tuple[Path, str]) -> None:
    workspace, _ = built
    assert re.search(r"^0 stages built", build(workspace, 1, "report"), re.MULTILINE)


def test_no_training_text_is_in_the_evaluation_set(built: tuple[Path, str]) -> None:
    workspace, _ = built
    home = workspace / "datasets" / "pydocs-tiny"
    version = home / (home / "CURRENT").read_text().strip()
    trained = set()
    for stage in ("stage1", "stage2"):
        table = ds.dataset(version / stage, format="parquet").to_table(columns=["positive", "query"])
        trained |= set(table["positive"].to_pylist()) | set(table["query"].to_pylist())
    held_out = [
        json.loads(line)["text"] for path in version.glob("eval/*/*.jsonl") for line in path.read_text().splitlines()
    ]
    assert held_out
    assert trained.isdisjoint(held_out)


def test_explain_tells_of_a_dropped_document_a_vetoed_negative_and_a_synthetic_text(built: tuple[Path, str]) -> None:
    workspace, _ = built
    ledger = Ledger(workspace)
    dropped = next(row for row in ledger.rows("guard", DOCUMENTS) if row["drop_reason"])
    assert dropped["drop_reason"] in explain(workspace, dropped["doc_id"])
    vetoed = next(row for row in ledger.rows("judge", VERDICTS) if row["verdict"] == "vetoed")
    assert "vetoed" in explain(workspace, f"{vetoed['query_id']}:{vetoed['doc_id']}")
    for row in ledger.rows("synthesise", SYNTHETICS)[:2]:
        story = explain(workspace, row["request_id"])
        assert row["doc_id"] in story
        assert (row["drop_reason"] or "kept") in story
    with pytest.raises(RecipeError, match="no-such-id"):
        explain(workspace, "no-such-id")


def test_refresh_mines_again_with_the_trained_model_and_leaves_the_build_as_it_was(built: tuple[Path, str]) -> None:
    workspace, _ = built
    stages = (workspace / "runs" / "pydocs-tiny" / "stages.json").read_bytes()

    printed = pairwright("refresh", str(RECIPE), "--workspace", str(workspace))

    figures = json.loads((workspace / "runs" / "pydocs-tiny" / "refresh.json").read_text())
    assert figures["candidates"]["both"] > 0
    assert sum(each["candidates"] for each in figures["moves"]) == (
        figures["candidates"]["before"] + figures["candidates"]["after"] - figures["candidates"]["both"]
    )
    assert f"to build with it: encoder: {{model: {figures['model']}}}" in printed
    assert (workspace / "runs" / "pydocs-tiny" / "stages.json").read_bytes() == stages
    again = pairwright("refresh", str(RECIPE), "--workspace", str(workspace))
    assert "0 stages" not in again
    assert again.count("(kept from an earlier build)") == 11


def test_refresh_refuses_the_model_that_mined_already(built: tuple[Path, str], models: Path) -> None:
    workspace, _ = built

    printed = pairwright(
        "refresh", str(RECIPE), "--workspace", str(workspace), "--model", str(models / "all-MiniLM-L6-v2"), status=1
    )

    assert "--model must be another model than the one that mined" in printed
