"""The recipe in a manifest is all that decides the data, and names no place."""

import json
from pathlib import Path

from jobs.release.manifest import describe_recipe
from pipeline.recipe import Recipe, load_recipe

DECIDES_NO_DATA = {"name", "seed", "models", "erase", "audit", "train", "evaluate"}  # or stands in the manifest besides


def load(tmp_path: Path, text: str = "") -> Recipe:
    (tmp_path / "docs.jsonl").write_text("{}")
    source = "sources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n"
    (tmp_path / "r.yaml").write_text(f"name: r\n{source}{text}")
    return load_recipe(tmp_path / "r.yaml")


def test_every_section_that_a_stage_before_publish_reads_is_told_in_the_order_of_the_recipe(tmp_path: Path) -> None:
    told = list(describe_recipe(load(tmp_path)))
    assert told == [name for name in Recipe.model_fields if name not in DECIDES_NO_DATA]
    assert {"passages", "index"} <= set(told)


def test_a_setting_of_any_told_section_is_another_manifest_and_so_another_version(tmp_path: Path) -> None:
    one, other = describe_recipe(load(tmp_path)), describe_recipe(load(tmp_path, "index: {k1: 1.7}\n"))
    assert one != other
    assert {name for name in one if one[name] != other[name]} == {"index"}


def test_no_path_of_this_machine_is_told(tmp_path: Path) -> None:
    told = json.dumps(describe_recipe(load(tmp_path, "passages: {tokens: 64, tokenizer: /home/someone/model}\n")))
    assert str(tmp_path) not in told
    assert "/home/" not in told
