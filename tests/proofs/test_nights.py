"""Nightly builds over sources that grow: each publishes what a build from scratch does, and costs what is new.

The documents of a recipe are written out as JSONL and come in as nights: a folder that gets a file more. The replies of
the language model are an input (only through their journal are they reproducible), so a build from scratch is given
them; where a recipe keeps its teacher (label.refresh) or its shots (synthesise.refresh), these are inputs too.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
import yaml

from jobs.runtime.registry import stages_until
from jobs.runtime.workspace import Workspace
from jobs.store.layout import SHOTS, TEACHERS
from pipeline.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "jobs" / "recipes"
DEMO = Path(os.environ.get("PAIRWRIGHT_NIGHTS_RECIPE", RECIPES / "pydocs-demo.yaml"))
STAGES = stages_until("publish")
NIGHTS = 5


def pairwright(command: str, recipe: Path, workspace: Path, *arguments: str) -> float:
    """Run a command that must succeed; return its seconds."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", command, *arguments, str(recipe), "--workspace", str(workspace)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return time.monotonic() - started


def rows_of(recipe: Path, folder: Path) -> list[dict[str, Any]]:
    """Return what the recipe's sources hold, as rows of JSONL in the order of their hashes."""
    pairwright("stage", recipe, folder / "sources", "ingest")
    place = Workspace.open(load_recipe(recipe), folder / "sources")
    names = ["doc_id", "native_id", "title", "text", "links", "family", "domain", "license", "drop_reason"]
    found = ds.dataset(place.open_output("ingest", "documents"), format="parquet").to_table(columns=names).to_pylist()
    kept = sorted((row for row in found if row.pop("drop_reason") is None), key=lambda row: str(row.pop("doc_id")))
    return [{"id": row.pop("native_id"), **row} for row in kept]


def over_nights(recipe: Path, folder: Path) -> Path:
    """Write the recipe with a folder of JSONL files in place of its sources."""
    changed = yaml.safe_load(recipe.read_text())
    changed["sources"] = [{"name": "pydocs", "format": "jsonl", "path": str(folder / "nights" / "*.jsonl")}]
    (folder / "nights").mkdir()
    path = folder / recipe.name
    path.write_text(yaml.safe_dump(changed))
    return path


def arrive(folder: Path, night: int, rows: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "nights" / f"{night}.jsonl").write_text(lines)


def published(workspace: Path) -> dict[str, bytes]:
    """Return the files of the current version."""
    (pointer,) = workspace.glob("datasets/*/CURRENT")
    version = pointer.parent / pointer.read_text().strip()
    return {path.relative_to(version).as_posix(): path.read_bytes() for path in version.rglob("*") if path.is_file()}


def give(kind: str, source: Path, target: Path) -> None:
    if (source / "cache" / kind).is_dir():
        shutil.copytree(source / "cache" / kind, target / "cache" / kind)


def test_every_night_publishes_what_a_build_from_scratch_does(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(RECIPES / "pydocs-tiny.yaml", tmp_path)
    recipe, nightly = over_nights(RECIPES / "pydocs-tiny.yaml", tmp_path), tmp_path / "nightly"
    versions = set()
    for night in range(NIGHTS):
        arrive(tmp_path, night, rows[night::NIGHTS])
        seconds = pairwright("nightly", recipe, nightly)
        scratch = tmp_path / f"scratch{night}"
        give("replies", nightly, scratch)
        whole = pairwright("build", recipe, scratch, "--until", "publish")
        with capsys.disabled():
            print(
                f"\n  night {night + 1}: {len(rows[night::NIGHTS])} documents, {seconds:.0f} s; "
                f"from scratch {whole:.0f} s",
                end="",
            )
        here, there = published(nightly), published(scratch)
        assert here.keys() == there.keys()
        assert [name for name in here if here[name] != there[name]] == []
        versions.add((next(nightly.glob("datasets/*/CURRENT"))).read_text())
        shutil.rmtree(scratch)
    assert len(versions) == NIGHTS


def costs(recipe: Path, workspace: Path) -> dict[str, tuple[float, dict[str, float], float]]:
    """Return the seconds of every stage, those its engines computed, and those in which a server of its own started."""
    place = Workspace.open(load_recipe(recipe), workspace)
    manifests = {name: place.manifest(name) for name in STAGES}
    return {
        name: (
            float(found["seconds"]),
            found["notes"].get("engine_seconds", {}),
            float(found["notes"].get("server_seconds", 0)),
        )
        for name, found in manifests.items()
        if found
    }


def test_one_new_document_in_a_hundred_costs_little(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(DEMO, tmp_path)
    recipe, workspace = over_nights(DEMO, tmp_path), tmp_path / "nightly"
    new = rows[::100]
    arrive(tmp_path, 1, [row for place, row in enumerate(rows) if place % 100])
    full_wall = pairwright("nightly", recipe, workspace)
    full = costs(recipe, workspace)
    arrive(tmp_path, 2, new)
    scratch = tmp_path / "scratch"
    night_wall = pairwright("nightly", recipe, workspace)
    night = costs(recipe, workspace)

    with capsys.disabled():
        print(f"\n\n{len(rows) - len(new)} documents, then {len(new)} new ones")
        print(f"{'seconds':<16}{'full build':>12}{'the night':>12}{'share':>8}")
        for name in STAGES:
            _print_row(name, full[name][0], night[name][0])
        for engine in ("encoder", "cross_encoder", "llm"):
            _print_row(f"in {engine}", *(_engine(each, engine) for each in (full, night)))
        engines = [sum(sum(engine.values()) for _, engine, _ in each.values()) for each in (full, night)]
        _print_row("in all engines", *engines)
        _print_row("LLM start-up", *(each["synthesise"][2] for each in (full, night)))
        _print_row("wall", full_wall, night_wall)
    assert engines[1] <= 0.15 * engines[0]
    assert night_wall <= 0.40 * full_wall

    for kind in ("replies", TEACHERS, SHOTS):
        give(kind, workspace, scratch)
    pairwright("build", recipe, scratch, "--until", "publish")
    here, there = published(workspace), published(scratch)
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


def _engine(cost: dict[str, tuple[float, dict[str, float], float]], engine: str) -> float:
    return sum(engines.get(engine, 0.0) for _, engines, _ in cost.values())


def _print_row(name: str, full: float, night: float) -> None:
    print(f"{name:<16}{full:>12.1f}{night:>12.1f}{night / full if full else 0.0:>8.0%}")
