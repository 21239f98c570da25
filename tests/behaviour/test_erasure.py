"""Erasure: a named document keeps its row and loses its text, and after gc no table, version or cache holds it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest

from jobs.cache.parts import Cache
from jobs.cache.replies import Journal, Written
from jobs.cache.scores import score_cache
from jobs.cache.vectors import VectorCache
from jobs.cli.main import main
from jobs.release.versions import make_current
from jobs.runtime.registry import load_stage
from jobs.runtime.runner import run_stage
from jobs.runtime.workspace import Workspace
from jobs.store.files import count_rows, write_json
from jobs.store.tables import Store
from pipeline.index.encode import encode_texts
from pipeline.ingest.erase import erase_judgements, id_frame, match_lines, read_erased
from pipeline.label.config import LabelConfig
from pipeline.label.teacher import add_texts, score_pairs
from pipeline.recipe import load_recipe
from schemas.documents import DOCUMENTS, JUDGEMENTS
from schemas.errors import RecipeError
from schemas.pairs import POSITIVES, REPLIES, SYNTHETICS

SECRET = "the secret of Mallory"


def write_recipe(folder: Path, *erased: str) -> Path:
    lines = [
        {"id": f"doc{i}", "title": f"Title {i}", "text": f"A text long enough to stay, number {i}."} for i in range(4)
    ]
    lines[2] = {"id": "mallory", "title": SECRET, "text": f"{SECRET} is told here at some length.", "links": [SECRET]}
    (folder / "docs.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    recipe = "name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n"
    if erased:
        (folder / "erased.txt").write_text("\n".join(["# requests", *erased, ""]))
        recipe += "erase: erased.txt\n"
    (folder / "r.yaml").write_text(recipe)
    return folder / "r.yaml"


def ingest(spark, folder, *erased):
    place = Workspace.open(load_recipe(write_recipe(folder, *erased)), folder / "w")
    place._spark = spark
    run_stage(load_stage("ingest"), place)
    path = place.store.open("ingest", place.fingerprint("ingest"), "documents")
    return place, {row["native_id"]: row for row in ds.dataset(path, format="parquet").to_table().to_pylist()}


def test_a_named_document_keeps_its_row_and_nothing_of_its_text(spark, tmp_path):
    plain_place, plain = ingest(spark, tmp_path)
    place, by_name = ingest(spark, tmp_path, "mallory  # by mail", "unknown")
    other_place, by_id = ingest(spark, tmp_path, plain["mallory"]["doc_id"])

    assert place.require("ingest")["notes"]["remarks"] == ["erase names 1 id that no document has: unknown"]
    assert SECRET in str(plain["mallory"])
    assert by_name == by_id
    assert SECRET not in str(by_name)
    gone = by_name["mallory"]
    assert (gone["drop_reason"], gone["text"], gone["title"], gone["links"]) == ("erased", "", "", [])
    assert {key: row for key, row in by_name.items() if key != "mallory"} == {
        key: row for key, row in plain.items() if key != "mallory"
    }
    prints = {each.fingerprint("ingest") for each in (plain_place, place, other_place)}
    assert len(prints) == 3


def test_what_an_erased_symbol_says_of_others_goes_too(spark, rows):
    judgements = rows(
        JUDGEMENTS,
        ("s", "m.f see also g", SECRET, "m.g", 1.0, None),
        ("s", "m.h see also f", "of f", "m.f", 1.0, None),
        ("s", "m.f", "a query of that name", "m.g", 1.0, None),
    )
    left = erase_judgements(judgements, id_frame(spark, ["m.f"])).collect()
    assert sorted(row.query_native_id for row in left) == ["m.f", "m.h see also f"]


def test_a_file_that_cannot_be_read_is_the_recipe_s_fault(tmp_path):
    with pytest.raises(RecipeError, match="erase must name a readable file of ids"):
        read_erased(str(tmp_path / "none"))
    assert read_erased("") == []


def test_a_line_names_what_it_says_and_an_id_may_hold_any_sign(spark, tmp_path):
    lines = [
        "\ufefffirst",
        "http://e.org/p#part",
        "Issue #12",
        "known # asked for in May",
        "C # basics",
        "# a comment",
        "#7",
    ]
    (tmp_path / "ids").write_text("\n".join([*lines, "caf\u0065\u0301", "no  such"]), encoding="utf-8")
    others = ["http://e.org/p", "Issue", "C"]
    ids = ["first", "http://e.org/p#part", "Issue #12", "known", "C # basics", "#7", "café", *others]

    named = match_lines(spark, read_erased(str(tmp_path / "ids")), id_frame(spark, ids)).collect()

    assert sorted(row.id for row in named) == sorted({*ids} - {*others})
    assert "no such" not in {row.line for row in named}


def model():
    """A factory of a model whose vectors and scores are the lengths of texts."""

    class Lengths:
        digest = "lengths"

        def encode(self, texts):
            return np.array([[len(text), 1.0] for text in texts], np.float32)

        def score(self, pairs):
            return np.array([len(query) / 1000 for query, _ in pairs])

    return Lengths


def document(number, text):
    return (f"d{number}", "s", "f", number, None, "", text, [], "f", "dom", None, len(text), "h", None)


def fill(spark, rows, root, fingerprint, *texts):
    """A build over the texts: the tables that hold them, a version, and what the caches learned."""
    factory = model()
    documents = rows(DOCUMENTS, *[document(i, text) for i, text in enumerate(texts)])
    positives = rows(
        POSITIVES, *[(f"q{i}", f"query of {text}", f"d{i}", "title", 1.0, "dom", None) for i, text in enumerate(texts)]
    )
    replies = rows(REPLIES, *[(f"r{i}", f"reply to {text}", "stop", "m") for i, text in enumerate(texts)])
    for stage, tables in {
        "guard": {DOCUMENTS: documents},
        "synthesise": {POSITIVES: positives, SYNTHETICS: rows(SYNTHETICS), REPLIES: replies},
        "publish": {},
    }.items():
        home = Store(root).begin(stage, fingerprint)
        for table, frame in tables.items():
            frame.write.parquet(str(home / table.name))
        written = {table.name: count_rows(home / table.name, False) for table in tables}
        Store(root).commit(stage, fingerprint, written, {"inputs": {}})
    vectors = VectorCache(spark, root / "cache", factory)
    encode_texts(documents, "doc_id", "text", factory, "", vectors).collect()
    encode_texts(positives, "query_id", "query", factory, "ask: ", vectors).collect()
    scores = score_cache(spark, root / "cache", factory)
    pairs = add_texts(positives.select("query_id", "doc_id"), positives, documents, rows(SYNTHETICS), LabelConfig())
    score_pairs(pairs, factory, scores).collect()
    with Journal(root / "cache" / "replies" / "m") as journal:
        for text in texts:
            if text[-1] not in journal:
                journal.append(text[-1], Written(f"reply to {text}", "stop"))
    version = root / "datasets" / "r" / fingerprint
    version.mkdir(parents=True)
    write_json(version / "manifest.json", {"texts": texts, "files": []})
    make_current(version.parent, fingerprint, dict.fromkeys(("guard", "synthesise", "publish"), fingerprint))


def everything(spark, root):
    """All that the workspace holds, as one string, Parquet read; and the number of rows of every cache."""
    found, rows = [], {}
    for path in sorted(each for each in root.rglob("*") if each.is_file() and "lease" not in each.name):
        if path.suffix == ".parquet":
            table = ds.dataset(path, format="parquet").to_table()
            found.append(str(table.to_pylist()))
            if "cache" in path.parts:
                rows[path.parts[-3]] = rows.get(path.parts[-3], 0) + table.num_rows
        else:
            found.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(found), rows


def test_after_gc_nothing_holds_the_text(spark, rows, tmp_path, monkeypatch, capsys):
    recipe, root = write_recipe(tmp_path, "mallory"), tmp_path / "w"
    fill(spark, rows, root, "before", "text a", "text b", f"{SECRET} c")
    fill(spark, rows, root, "now", "text a", "text b")
    monkeypatch.setattr(Workspace, "fingerprint", lambda *_: "now")
    monkeypatch.setattr(Workspace, "spark", lambda _: spark)
    monkeypatch.setattr(Workspace, "stop_spark", lambda _: None)

    def gc(*flags):
        with pytest.raises(SystemExit) as ended:
            main(["gc", str(recipe), "--workspace", str(root), *flags])
        assert ended.value.code == 0
        return capsys.readouterr().out

    held, before = everything(spark, root)
    assert SECRET in held
    assert before == {"embeddings": 6, "scores": 3}
    dry = gc("--keep", "1", "--dry-run")
    assert everything(spark, root) == (held, before)

    done = gc("--keep", "1")

    left, after = everything(spark, root)
    assert SECRET not in left
    assert "reply to text a" in left
    assert after == {"embeddings": 4, "scores": 2}
    for out in (dry, done):
        assert out.count("  1 of 3\n") == 4  # texts, queries, pairs, replies
    assert gc("--keep", "1") == "freed 0 B\n"


def test_an_unfinished_build_keeps_what_the_caches_learned(spark, rows, tmp_path, monkeypatch, capsys):
    recipe, root = write_recipe(tmp_path), tmp_path / "w"
    Cache(spark, root / "cache" / "embeddings" / "x", ["key"], {"vector": "array<float>"}).append(
        spark.createDataFrame([("k", [1.0])], "key string, vector array<float>")
    )
    monkeypatch.setattr(Workspace, "fingerprint", lambda *_: "now")
    with pytest.raises(SystemExit):
        main(["gc", str(recipe), "--workspace", str(root)])
    assert capsys.readouterr().out == (
        "the caches are left as they are: r is not built as the recipe stands now\nfreed 0 B\n"
    )
    assert len(list((root / "cache").rglob("part-*.parquet"))) == 1
