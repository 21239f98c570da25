"""A fingerprint sees what decides a stage's output, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.runtime import registry
from jobs.runtime.workspace import Workspace
from jobs.store.reviews import append_reviews
from pipeline.recipe import load_recipe
from schemas.reviews import Review


def recipe(folder: Path, extra: str = "") -> Path:
    (folder / "docs.jsonl").write_text(json.dumps({"title": "a", "text": "b"}) + "\n")
    path = folder / "r.yaml"
    path.write_text(f"name: r\nsources:\n  - {{name: s, format: jsonl, path: docs.jsonl}}\n{extra}")
    return path


def test_the_fingerprint_sees_settings_seed_and_source_bytes_and_nothing_else(tmp_path: Path) -> None:
    def prints(extra: str = "") -> dict[str, str]:
        place = Workspace.open(load_recipe(recipe(tmp_path, extra)), tmp_path / "w")
        return {name: place.fingerprint(name) for name in ("ingest", "dedupe", "bucket")}

    first = prints()
    assert prints("judge: {tolerance: 0.2}\n") == first
    near = prints("dedupe: {threshold: 0.7}\n")
    assert near["ingest"] == first["ingest"]
    assert near["dedupe"] != first["dedupe"]
    assert near["bucket"] != first["bucket"]  # downstream of dedupe
    assert prints("seed: 14\n")["ingest"] != first["ingest"]
    (tmp_path / "docs.jsonl").write_text("{}\n")
    place = Workspace.open(load_recipe(tmp_path / "r.yaml"), tmp_path / "w")
    assert place.fingerprint("ingest") != prints()["ingest"]


def test_answers_of_reviewers_decide_the_stages_that_read_them_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = registry.load_stage
    monkeypatch.setattr(registry, "load_stage", lambda name: replace(load(name), reads_reviews=name == "dedupe"))

    def prints(*answers: str) -> dict[str, str]:
        place = Workspace.open(load_recipe(recipe(tmp_path)), tmp_path / "w")
        for number, answer in enumerate(answers):
            append_reviews(place.store, [Review("q", "t", answer, "person:a", f"2026-12-01T10:00:00.{number:06}Z")])
        return {name: place.fingerprint(name) for name in ("ingest", "dedupe", "bucket")}

    before, after = prints(), prints("yes")
    assert after["ingest"] == before["ingest"]
    assert after["dedupe"] != before["dedupe"]
    assert after["bucket"] != before["bucket"]
    assert prints("yes", "yes") == after
    assert prints("yes", "yes", "no") != after
    place = Workspace.open(load_recipe(recipe(tmp_path)), tmp_path / "w")
    assert (place.digests("ingest").get("reviews"), len(place.digests("dedupe")["reviews"])) == (None, 32)
