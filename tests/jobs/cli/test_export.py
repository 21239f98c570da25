"""``pairwright export``: the trainer's counts with their units, and what it refuses in one line."""

import json

import pytest

from jobs.cli.export import describe_counts, find_version
from jobs.cli.main import main
from schemas.errors import RecipeError


def test_counts_have_units_and_what_is_left_out_is_said():
    done = {
        "stage1_rows": 1200,
        "stage1_left_out": 0,
        "stage1_filled": 4800,
        "stage2_rows": 666,
        "stage2_left_out": 1,
        "stage2_negatives": 666,
        "stage2_negatives_left_out": 2,
        "prompts": {"query": "query: "},
    }

    assert describe_counts(done) == [
        "stage1  1,200 rows, 4,800 negatives taken from other rows",
        "stage2  666 rows, 1 examples left out, 666 negatives, 2 negatives left out",
        "put 'query: ' before each query",
    ]
    assert describe_counts({"documents": 3, "queries": 2, "qrels": 2}) == ["3 documents, 2 queries, 2 qrels"]


@pytest.fixture
def versions(tmp_path):
    home = tmp_path / "workspace" / "datasets" / "case"
    (home / "0a").mkdir(parents=True)
    (home / "0a" / "manifest.json").write_text("{}")
    (home / "CURRENT").write_text("0a\n")
    (tmp_path / "my.yaml").write_text("name: case\nsources: [{name: s, format: jsonl, path: docs.jsonl}]\n")
    return home


def test_a_recipe_a_folder_of_versions_and_a_version_name_one(versions, tmp_path):
    wanted = str(versions / "0a")

    assert find_version(str(tmp_path / "my.yaml"), str(tmp_path / "workspace")) == wanted
    assert find_version(str(versions), "elsewhere") == wanted
    assert find_version(wanted, "elsewhere") == wanted
    assert find_version("s3://bucket/case/0a", "elsewhere") == "s3://bucket/case/0a"
    for nothing in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(RecipeError, match="DATASET must be a recipe of which a version is published"):
            find_version(str(nothing), "elsewhere")


def test_the_trainers_refusal_is_the_commands(versions, tmp_path, capfd):
    command = ["export", str(versions), "--format", "tevatron", "--out", str(tmp_path / "out")]

    with pytest.raises(SystemExit) as ended:
        main(command)

    assert ended.value.code == 1
    error = capfd.readouterr().err
    assert "manifest.json must be a dataset manifest" in error
    assert len(error.strip().splitlines()) == 1
    assert json.loads((versions / "0a" / "manifest.json").read_text()) == {}
