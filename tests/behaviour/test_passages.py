"""Passages through the ingest stage, with the tokenizer of the model that is trained: cut, told of, erased."""

from __future__ import annotations

import json

import pyarrow.dataset as ds
import pytest
import yaml

from jobs.engines.tokenizer import OpenCounter
from jobs.runtime.registry import load_stage
from jobs.runtime.runner import run_stage
from jobs.runtime.workspace import Workspace
from jobs.views.explain import explain
from pipeline.recipe import load_recipe
from schemas.errors import EngineError, RecipeError

PART = "The secret of part {n} is told here, in {n} words or a few more than that, for whoever reads so far. "


def build(spark, models, folder, **more):
    lines = [
        {"id": "book", "title": "Book", "text": "\n\n".join(PART.format(n=n) * 2 for n in range(6))},
        {"id": "note", "title": "Note", "text": "A note that is short enough to stay whole."},
    ]
    (folder / "docs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    recipe = {
        "name": "r",
        "models": str(models),
        "sources": [{"name": "s", "format": "jsonl", "path": "docs.jsonl"}],
        "passages": {"tokens": 64, "overlap": 16},
        **more,
    }
    (folder / "r.yaml").write_text(yaml.safe_dump(recipe))
    place = Workspace.open(load_recipe(folder / "r.yaml"), folder / "w")
    place._spark = spark
    run_stage(load_stage("ingest"), place)
    (place.logs / "stages.json").write_text(json.dumps({"ingest": place.fingerprint("ingest")}))
    return place, *(
        ds.dataset(place.open_output("ingest", name), format="parquet").to_table().to_pylist()
        for name in ("documents", "passages")
    )


@pytest.mark.engine
def test_a_long_document_is_cut_told_of_and_erased_with_all_its_passages(spark, models, tmp_path):
    place, documents, passages = build(spark, models, tmp_path)
    parent = next(row for row in documents if row["drop_reason"] == "split")
    second = next(row for row in passages if row["place"] == 2)

    counter = OpenCounter(str(models / "all-MiniLM-L6-v2"))()
    texts = {row["doc_id"]: row["text"] for row in documents}
    for row in passages:
        assert row["tokens"] == counter.count([texts[row["doc_id"]]])[0] + 2 <= 64
        assert texts[row["doc_id"]] == parent["text"][row["start"] : row["end"]].strip()
    assert [row["native_id"] for row in documents if row["drop_reason"] is None].count("book") == 1

    story = explain(place.path, second["doc_id"])
    assert f"passage   2 of document {parent['doc_id']}, characters {second['start']} to" in story
    assert f"cut       into {len(passages)} passages" in explain(place.path, parent["doc_id"])

    (tmp_path / "erased.txt").write_text(second["doc_id"])
    _, after, _ = build(spark, models, tmp_path, erase="erased.txt")
    assert "secret" not in str(after)
    assert sorted(row["drop_reason"] or "kept" for row in after) == ["erased"] * (len(passages) + 1) + ["kept"]


@pytest.mark.engine
def test_a_model_says_where_a_passage_stands_and_an_erased_document_is_not_shown_to_it(
    spark, models, tmp_path, server, monkeypatch
):
    monkeypatch.setattr(Workspace, "stop_spark", lambda _: None)  # the session is shared

    def answer(body):
        part = body["prompt"].rsplit("> ", 1)[1]
        return 200, " Told of the secret of another part of the book" if "part 3" in part else " Pancakes, blueberries"

    asked = {"tokens": 64, "context": True}
    with server(answer) as (at, seen):
        place, documents, passages = build(spark, models, tmp_path, passages=asked, synthesise=at)
        first = len(seen)
        again, *_ = build(spark, models, tmp_path, passages=asked | {"context_tokens": 200}, synthesise=at)
    assert first == len(set(seen)) // 2  # equal passages of a document are asked about once
    contexts = {
        row["doc_id"]: row
        for row in ds.dataset(place.open_output("ingest", "contexts"), format="parquet").to_table().to_pylist()
    }
    texts = {row["doc_id"]: row for row in documents}
    counter = OpenCounter(str(models / "all-MiniLM-L6-v2"))()
    for row in passages:
        text, told = texts[row["doc_id"]], contexts[row["doc_id"]]
        assert text["text"].startswith("Told of the secret") == (told["drop_reason"] is None)
        assert row["tokens"] == counter.count([text["text"]])[0] + 2 <= 64
        assert text["chars"] == len(text["text"])
    assert {row["drop_reason"] for row in contexts.values()} == {None, "text_too_short"}
    assert "not used: text_too_short" in explain(
        place.path, next(doc for doc, row in contexts.items() if row["drop_reason"])
    )
    assert again.fingerprint("ingest") != place.fingerprint("ingest")

    (tmp_path / "erased.txt").write_text("book")
    with server(answer) as (at, seen):
        build(spark, models, tmp_path, passages=asked, synthesise=at, erase="erased.txt")
    assert seen == []


def test_the_fingerprint_follows_passages_only_where_they_are_asked_for(models, tmp_path):
    (tmp_path / "docs.jsonl").write_text('{"text": "x"}')

    def fingerprint(**more: object) -> str:
        recipe = {
            "name": "r",
            "models": str(models),
            **more,
            "sources": [{"name": "s", "format": "jsonl", "path": "docs.jsonl"}],
        }
        (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
        return Workspace.open(load_recipe(tmp_path / "r.yaml"), tmp_path / "w").fingerprint("ingest")

    plain = fingerprint()
    assert fingerprint(train={"model": "another"}) == plain
    assert len({plain, fingerprint(passages={"tokens": 64}), fingerprint(passages={"tokens": 96})}) == 3
    with pytest.raises(RecipeError, match="model must be an existing directory"):
        fingerprint(passages={"tokens": 64, "tokenizer": "no-such"})


def test_a_folder_without_a_tokenizer_is_an_engine_error(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="does not load"):
        OpenCounter(str(tmp_path))()
