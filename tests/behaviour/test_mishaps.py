"""What a long build meets: a file that rots, a source that changes under it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from jobs.runtime.registry import load_stage
from jobs.runtime.runner import run_stage
from jobs.runtime.workspace import Workspace
from pipeline.recipe import load_recipe
from schemas.documents import DOCUMENTS
from schemas.errors import PairwrightError, ShardError


def recipe_in(folder: Path, documents: int = 40) -> Path:
    """A recipe of one small source."""
    lines = [
        {"id": n, "title": f"Title {n}", "text": f"Document number {n}, long enough to keep."} for n in range(documents)
    ]
    (folder / "docs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = folder / "r.yaml"
    path.write_text("name: r\nsources:\n  - {name: docs, format: jsonl, path: docs.jsonl}\n")
    return path


def open_place(folder: Path, spark) -> Workspace:
    """What a new process sees."""
    place = Workspace.open(load_recipe(folder / "r.yaml"), folder / "w")
    place._spark = spark
    return place


def rows_of(place: Workspace, stage: str) -> list[dict[str, object]]:
    path = str(place.store.home(stage, place.fingerprint(stage)) / DOCUMENTS.name)
    return sorted((row.asDict() for row in place.spark().read.parquet(path).collect()), key=lambda row: row["doc_id"])


def test_a_flipped_bit_in_a_table_is_named_and_the_way_out_leads_to_the_same_table(spark, tmp_path):
    recipe_in(tmp_path)
    place = open_place(tmp_path, spark)
    run_stage(load_stage("ingest"), place)
    home = place.store.home("ingest", place.fingerprint("ingest"))
    before = rows_of(place, "ingest")
    part = max((home / DOCUMENTS.name).glob("part-*.parquet"), key=lambda path: path.stat().st_size)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)

    with pytest.raises(ShardError) as caught:
        run_stage(load_stage("dedupe"), open_place(tmp_path, spark))
    assert str(caught.value) == f"{part} is damaged or missing; try deleting {home} and building again"
    assert (home / "_manifest.json").is_file()  # nothing is deleted by itself
    assert place.manifest("dedupe") is None

    shutil.rmtree(home)
    again = open_place(tmp_path, spark)
    for stage in ("ingest", "dedupe"):
        run_stage(load_stage(stage), again)
    assert rows_of(again, "ingest") == before
    assert len(rows_of(again, "dedupe")) == len(before)


@pytest.mark.parametrize("change", ["rewritten", "grown", "gone"])
def test_a_source_that_changes_while_it_is_read_stores_nothing(spark, tmp_path, monkeypatch, change):
    """The fingerprint is made, the work is planned, and then the file is another one."""
    import jobs.ingest

    recipe_in(tmp_path)
    source, plan = tmp_path / "docs.jsonl", jobs.ingest.plan_units

    def plan_and_change(sources):
        units = plan(sources)
        if change == "rewritten":  # the same size: only its contents tell
            source.write_text(source.read_text().replace("number", "member"))
        elif change == "grown":
            with source.open("a") as more:
                more.write(json.dumps({"id": "new", "text": "A document that came too late for this build."}) + "\n")
        return units

    place = open_place(tmp_path, spark)
    monkeypatch.setattr(jobs.ingest, "plan_units", plan_and_change)
    if change == "gone":
        monkeypatch.setattr(jobs.ingest, "check_yields", lambda *_: source.rename(tmp_path / "away"))
    said = (
        "docs.path must name readable files"
        if change == "gone"
        else (
            "docs must stay as it is while stage ingest reads it, but its files changed; nothing was stored, try "
            "running the same command again"
        )
    )
    with pytest.raises(PairwrightError, match=said) as caught:
        run_stage(load_stage("ingest"), place)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "w" / "tables").rglob("_manifest.json"))

    if change == "gone":
        (tmp_path / "away").rename(source)
    monkeypatch.undo()
    again = open_place(tmp_path, spark)
    assert (again.fingerprint("ingest") != place.fingerprint("ingest")) == (change != "gone")
    run_stage(load_stage("ingest"), again)
    assert len(rows_of(again, "ingest")) == 40 + (change == "grown")
