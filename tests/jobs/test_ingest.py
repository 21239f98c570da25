"""The ingest, holdout and pair jobs through the stage framework, on a small real input."""

import json

import pytest
import yaml

from jobs.stages import Workspace, load_stage, run_stage
from pipeline.recipe import load_recipe


def build(spark, folder, recipe, *stages):
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    place = Workspace.open(load_recipe(path), folder / "workspace")
    place._spark = spark
    return place, [run_stage(load_stage(stage), place) for stage in stages]


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """Two hundred questions and answers under names of their own, and one line that is none."""
    folder = tmp_path_factory.mktemp("faq")
    plants = ["oak", "elm", "fir", "yew", "ash", "box", "fig", "ivy", "rye", "pea"]
    lines = [
        json.dumps(
            {
                "nr": number,
                "headline": f"How often do I water the {plant} number {number}?",
                "body": f"Plants of row {number} like water {number} times, {plant} trees more in a summer of drought.",
            }
        )
        for number, plant in enumerate(plants * 20)
    ]
    (folder / "faq.jsonl").write_text("\n".join([*lines, "not json"]))
    return folder


def recipe(**more):
    fields = {"id": "nr", "title": "headline", "text": "body"}
    return {
        "name": "faq",
        "sources": [{"name": "faq", "format": "jsonl", "path": "faq.jsonl", "fields": fields}],
        **more,
    }


def test_the_fingerprint_follows_the_files(spark, questions):
    place, _ = build(spark, questions, recipe())
    before = place.fingerprint("ingest")
    (questions / "faq.jsonl").open("a").write("\nmore")

    again, _ = build(spark, questions, recipe())

    assert again.fingerprint("ingest") != before
