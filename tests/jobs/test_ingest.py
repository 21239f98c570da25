"""The ingest, holdout and pair jobs through the stage framework, on a small real input."""

import json
import re
from pydoc_data.topics import topics

import pytest
import yaml

from jobs.runtime.registry import load_stage
from jobs.runtime.runner import run_stage
from jobs.runtime.workspace import Workspace
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


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Paragraphs of the language reference: first sentence as headline, the rest as body; one line is no JSON."""
    folder = tmp_path_factory.mktemp("reference")
    lines = {}
    for topic, text in sorted(topics.items()):
        for paragraph in re.split(r"\n\s*\n", text):
            headline, _, body = " ".join(paragraph.split()).partition(". ")
            if len(body) > 150 and headline not in lines:
                lines[headline] = {"nr": len(lines), "headline": headline, "body": body, "chapter": topic}
    (folder / "faq.jsonl").write_text("\n".join([*map(json.dumps, lines.values()), "not json"]))
    return folder, lines


def test_own_data_becomes_positives_under_its_own_field_names(spark, reference):
    folder, lines = reference
    given = recipe(bucket={"min_size": 1})
    given["sources"][0]["fields"]["domain"] = "chapter"
    place, manifests = build(spark, folder, given, "ingest", "dedupe", "holdout", "guard", "bucket", "pair")

    assert manifests[0]["outputs"]["rejects"]["rows"] == 1
    texts = {row.doc_id: row for row in spark.read.parquet(str(place.open_output("ingest", "documents"))).collect()}
    positives = spark.read.parquet(str(place.open_output("pair", "positives"))).where("drop_reason is null").collect()
    held_out = {row.query for row in spark.read.parquet(str(place.open_output("holdout", "eval_queries"))).collect()}
    assert len(positives) > len(lines) / 2
    assert held_out
    assert held_out.isdisjoint(row.query for row in positives)
    for row in positives:
        given = lines[row.query]
        assert (texts[row.doc_id].text, texts[row.doc_id].domain) == (given["body"], given["chapter"])
