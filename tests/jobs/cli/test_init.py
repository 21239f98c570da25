"""``pairwright init``: a commented recipe that passes the check and builds."""

import json
import random

import pyarrow.dataset as ds
import pytest

from jobs.cli.check import check_recipe
from jobs.cli.init import init_recipe
from jobs.runtime.registry import load_stage
from jobs.runtime.runner import run_stage
from jobs.runtime.workspace import Workspace
from pipeline.recipe import load_recipe
from schemas.errors import RecipeError

SYLLABLES = ("ba", "ko", "ri", "tu", "me", "sal", "ven", "dor", "pil", "gra", "fen", "hos")


def prose(seed, words=30):
    """Return words of two syllables each, the same ones for a seed and others for every other seed."""
    drawn = random.Random(seed)
    return " ".join(drawn.choice(SYLLABLES) + drawn.choice(SYLLABLES) for _ in range(words))


@pytest.fixture
def files(tmp_path):
    """Return a table with semicolons, a folder of Markdown, lines of JSON: 20 documents each."""
    rows = [f"A-{n};Wie geht das {prose(f'a{n}', 4)} {n}?;Hilfe bei {n}: {prose(n)}" for n in range(20)]
    (tmp_path / "export.csv").write_text("\n".join(["Artikel Nr;Frage;Antwort", *rows]))
    (tmp_path / "handbook").mkdir()
    for n in range(20):
        (tmp_path / "handbook" / f"p{n}.md").write_text(
            f"# How to {prose(f'b{n}', 4)} {n}\n\n{prose(n + 40)} page {n}\n"
        )
    lines = [
        {"key": n, "headline": f"Ticket {prose(f'c{n}', 4)} {n}", "body": f"{prose(n + 80)} {n}"} for n in range(20)
    ]
    (tmp_path / "tickets.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return [str(tmp_path / name) for name in ("export.csv", "handbook", "tickets.jsonl")]


def test_the_recipe_says_what_was_seen_and_passes_the_check(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PAIRWRIGHT_MODELS", str(tmp_path / "models"))
    out = tmp_path / "support.yaml"
    assert init_recipe(files, out, None, force=False) == 0
    said = capsys.readouterr().out
    assert "csv, 1 file" in said
    assert "Wie geht das" in said
    assert f"wrote {out}" in said
    recipe = load_recipe(out)
    assert recipe.name == "support"
    assert [source.format for source in recipe.sources] == ["csv", "markdown", "jsonl"]
    assert recipe.sources[0].fields == {"id": "Artikel Nr", "title": "Frage", "text": "Antwort"}
    assert (recipe.synthesise.queries, recipe.synthesise.negatives, recipe.synthesise.model) == (0, 0, "")
    text = out.read_text()
    assert "path: export.csv" in text
    assert "# encoder: {model: /path/to/model}" in text
    assert [each for each in check_recipe(out)[1] if not each.is_warning] == []


def test_an_installed_embedding_model_is_named_and_no_language_model_is(files, tmp_path, monkeypatch):
    (tmp_path / "models" / "all-MiniLM-L6-v2").mkdir(parents=True)
    (tmp_path / "models" / "all-MiniLM-L6-v2" / "config.json").write_text("{}")
    monkeypatch.setenv("PAIRWRIGHT_MODELS", str(tmp_path / "models"))
    init_recipe(files[:1], tmp_path / "r.yaml", "mine", force=False)
    lines = (tmp_path / "r.yaml").read_text().splitlines()
    assert "encoder: {model: all-MiniLM-L6-v2}" in lines
    assert "synthesise: {queries: 0, negatives: 0}" in lines
    assert load_recipe(tmp_path / "r.yaml").name == "mine"


def test_a_recipe_that_is_there_is_kept_unless_told_otherwise(files, tmp_path):
    out = tmp_path / "r.yaml"
    out.write_text("mine")
    with pytest.raises(RecipeError, match="--out must be a file that is not there yet"):
        init_recipe(files, out, None, force=False)
    assert out.read_text() == "mine"
    init_recipe(files, out, None, force=True)
    assert load_recipe(out).sources


def test_what_cannot_be_read_is_left_out_with_a_word(files, tmp_path):
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    init_recipe([files[0], str(tmp_path / "broken.pdf")], tmp_path / "r.yaml", None, force=False)
    assert [source.format for source in load_recipe(tmp_path / "r.yaml").sources] == ["csv"]
    assert "  # - name: broken" in (tmp_path / "r.yaml").read_text()


def test_names_that_yaml_reads_otherwise_are_written_in_quotes(tmp_path):
    text = "a text of some words that is long enough to be taken for one"
    for name in ("no.csv", "2024-01-01.csv", "1e5.csv", "ö: [x] #1.csv"):
        (tmp_path / name).write_text(f"on,null\n1,{text}\n2,{text} too\n")
    init_recipe([str(tmp_path)], tmp_path / "r.yaml", None, force=False)
    recipe = load_recipe(tmp_path / "r.yaml")
    assert {source.fields.get("text") for source in recipe.sources} == {"null"}
    init_recipe([str(tmp_path / "ö: [x] #1.csv")], tmp_path / "s.yaml", None, force=False)
    assert load_recipe(tmp_path / "s.yaml").sources[0].path == str(tmp_path / "ö: [x] #1.csv")


@pytest.mark.engine
def test_the_written_recipe_builds_as_far_as_the_pairs(files, tmp_path, spark):
    init_recipe(files, tmp_path / "r.yaml", None, force=False)
    place = Workspace.open(load_recipe(tmp_path / "r.yaml"), tmp_path / "w")
    place._spark = spark
    for stage in ("ingest", "dedupe", "holdout", "guard", "bucket", "pair"):
        run_stage(load_stage(stage), place)
    documents = place.open_output("guard", "documents")
    kept = ds.dataset(documents, format="parquet").to_table(filter=ds.field("drop_reason").is_null()).to_pylist()
    pairs = ds.dataset(place.open_output("pair", "positives"), format="parquet").to_table().to_pylist()
    paired = {row["doc_id"] for row in pairs if row["drop_reason"] is None}
    assert len(kept) > 30  # of 60; some are held out
    assert {row["source"] for row in kept if row["doc_id"] in paired} == {"export", "handbook", "tickets"}
