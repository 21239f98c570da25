"""What a recipe says about a source is checked, all of it at once."""

import pytest

from pipeline.ingest.config import SourceConfig, resolve_sources
from schemas.errors import RecipeError


def test_relative_paths_start_at_the_recipe(tmp_path):
    [found] = resolve_sources([SourceConfig(name="s", format="jsonl", path="data/a.jsonl")], tmp_path)

    assert found.path == str(tmp_path / "data/a.jsonl")


def test_every_fault_of_a_source_is_told_at_once():
    with pytest.raises(RecipeError) as caught:
        SourceConfig(name="s", format="jsonl", fields={"titel": "x"}, encoding="utf-16", min_chars=50, max_chars=10)

    assert [fault.split(" ")[0] for fault in caught.value.faults] == [
        "path",
        "min_chars",
        "fields.titel",
        "encoding",
    ]
