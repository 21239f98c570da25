"""What a recipe says about a source is checked, all of it at once."""

import pickle

import pytest

from pipeline.ingest.config import make_source, resolve_sources
from schemas.errors import RecipeError


def test_relative_paths_start_at_the_recipe(tmp_path):
    [found] = resolve_sources([make_source(name="s", format="jsonl", path="data/a.jsonl")], tmp_path)

    assert found.path == str(tmp_path / "data/a.jsonl")


def test_every_fault_of_a_source_is_told_at_once():
    with pytest.raises(RecipeError) as caught:
        make_source(name="s", format="jsonl", fields={"titel": "x"}, encoding="utf-16", min_chars=50, max_chars=10)

    assert [fault.split(" ")[0] for fault in caught.value.faults] == [
        "path",
        "min_chars",
        "fields.titel",
        "encoding",
    ]


def test_a_setting_of_another_format_is_refused_and_the_format_named():
    with pytest.raises(RecipeError) as caught:
        make_source(name="s", format="jsonl", path="x", delimiter=";")

    assert "delimiter must be left out for jsonl" in str(caught.value)
    assert "csv" in str(caught.value)


def test_an_unknown_format_is_the_only_fault_of_a_source_whose_settings_are_those_of_a_format():
    with pytest.raises(RecipeError) as caught:
        make_source(name="s", format="cvs", path="x", delimiter=";", columns=("a", "b"))

    assert [fault.partition(" ")[0] for fault in caught.value.faults] == ["format"]
    assert "did you mean csv" in str(caught.value)


def test_sources_travel_to_workers_by_the_name_of_their_class():
    source = make_source(name="s", format="csv", path="x", delimiter="|")

    assert pickle.loads(pickle.dumps(source)) == source
