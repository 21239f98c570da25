"""A fingerprint sees what decides a stage's output, and nothing else."""

import json
from pathlib import Path

from jobs.runtime.workspace import Workspace
from pipeline.recipe import load_recipe


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
