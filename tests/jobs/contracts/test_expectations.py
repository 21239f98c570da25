"""Contracts: a suite for every table, generated from its declaration, and held before an output exists."""

from __future__ import annotations

import importlib
import json

import great_expectations.expectations as gxe
import pytest

from jobs.contracts.checkpoint import Suite, run_checkpoint
from jobs.contracts.expectations import is_few, list_expectations
from jobs.contracts.references import list_references
from jobs.runtime import registry
from jobs.runtime.registry import STAGES, load_stage
from jobs.runtime.runner import run_stage
from jobs.runtime.stage import Stage
from jobs.runtime.workspace import Workspace
from pipeline.recipe import load_recipe
from schemas.documents import DOCUMENTS, EVAL_CORPUS, EVAL_QUERIES, LEAKS, TOO_LONG
from schemas.errors import AuditError
from schemas.mining import SCORES
from schemas.pairs import POSITIVES, REPLIES, REQUESTS
from schemas.table import Column, Table

TABLES = [
    value
    for name in ("documents", "pairs", "mining", "shards")
    for value in vars(importlib.import_module(f"schemas.{name}")).values()
    if isinstance(value, Table)
]


def document(doc_id, **changed):
    row = dict(
        zip(
            DOCUMENTS.names,
            (doc_id, "s", "f.jsonl", 1, None, "t", "text", [], "fam", "dom", None, 4, "h", None),
            strict=True,
        )
    )
    return tuple((row | changed).values())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_has_a_suite_for_all_that_it_declares(table):
    found = list_expectations(table)

    def columns(kind):
        return [each.column for each in found if isinstance(each, kind)]

    assert columns(gxe.ExpectColumnValuesToBeOfType) == list(table.names)
    assert columns(gxe.ExpectColumnValuesToNotBeNull) == [each.name for each in table.columns if not each.nullable]
    chosen = [each.name for each in table.columns if each.choices or (each.name == "drop_reason" and table.reasons)]
    assert columns(gxe.ExpectColumnValuesToBeInSet) == chosen
    assert (
        sum(isinstance(each, gxe.ExpectColumnValuesToBeUnique | gxe.ExpectCompoundColumnsToBeUnique) for each in found)
        == 1
    )


def test_what_a_boundary_refers_to_is_at_hand():
    """Every reference of a table that leaves the house leads to an output of its stage or of one before it."""
    leaving = [stage for stage in map(load_stage, STAGES) if stage.leaves]
    assert {table.name for stage in leaving for table in stage.outputs} == {
        "documents",
        "leaks",
        "eval_corpus",
        "eval_queries",
        "eval_qrels",
        "requests",
        "replies",
        "synthetics",
        "positives",
        "verdicts",
        "examples",
    }
    for stage in leaving:
        before = [load_stage(name) for name in list(STAGES)[: list(STAGES).index(stage.name) + 1]]
        there = {table.name: set(table.names) for each in before for table in each.outputs}
        for table in stage.outputs:
            for reference in table.references:
                assert all(set(columns) <= there[name] for name, columns in reference.to), (stage.name, reference.name)


BROKEN = [
    document("d0"),
    document("d0", line=2),
    document("d1", line=0),
    document("", chars=-1),
    document("d2", drop_reason="lost"),
    document("d3", drop_reason=TOO_LONG, domain=""),
]


@pytest.mark.parametrize("few", [False, True])
def test_what_breaks_a_contract_is_named_with_counts_and_keys(rows, tmp_path, few):
    with pytest.raises(AuditError) as caught:
        run_checkpoint(
            "guard",
            [Suite("documents", DOCUMENTS.key, rows(DOCUMENTS, *BROKEN), list_expectations(DOCUMENTS), few=few)],
            tmp_path,
        )

    said = str(caught.value).split("; documents")
    assert "\n" not in str(caught.value)
    assert len(said) == 6
    for part, words in zip(
        said,
        [
            (
                "must satisfy expect_column_values_to_be_unique (doc_id), got 2 rows that do not, e.g. "
                "doc_id=d0; doc_id=d0"
            ),
            "expect_column_value_lengths_to_be_between (doc_id), got 1 rows that do not, e.g. doc_id= (value )",
            "expect_column_values_to_be_between (line), got 1 rows that do not, e.g. doc_id=d1 (value 0)",
            "expect_column_value_lengths_to_be_between (domain), got 1 rows that do not, e.g. doc_id=d3",
            "expect_column_values_to_be_between (chars), got 1 rows that do not, e.g. doc_id= (value -1)",
            "expect_column_values_to_be_in_set (drop_reason), got 1 rows that do not, e.g. doc_id=d2 (value lost)",
        ],
        strict=True,
    ):
        assert words in part
    assert (tmp_path / "site" / "index.html").is_file()
    pages = list((tmp_path / "site" / "validations" / "guard-documents").rglob("*.html"))
    assert len(pages) == 1
    assert "Failed" in pages[0].read_text()


@pytest.mark.parametrize("few", [False, True])
def test_nulls_types_and_columns_are_looked_at_in_the_files(spark, tmp_path, few):
    table = Table("t", 1, key=("a", "b"), columns=(Column("a", "string", ""), Column("b", "integer", "")))
    spark.sql("SELECT CAST(NULL AS string) AS a, 1L AS b, 2 AS c").write.parquet(str(tmp_path / "t"))

    with pytest.raises(AuditError) as caught:
        run_checkpoint(
            "s",
            [Suite("t", table.key, spark.read.parquet(str(tmp_path / "t")), list_expectations(table), few=few)],
            tmp_path / "docs",
        )

    said = str(caught.value)
    assert "expect_table_columns_to_match_set (rows), got ['a', 'b', 'c']" in said
    assert "expect_column_values_to_be_of_type (b), got LongType" in said
    assert "expect_column_values_to_not_be_null (a), got 1 rows that do not, e.g. a=None b=1" in said


def test_a_reference_that_leads_nowhere_is_named(rows, tmp_path):
    frames = {
        "documents": rows(DOCUMENTS, document("d1")),
        "eval_corpus": rows(EVAL_CORPUS, ("own", "e1", "x", "dom", True)),
        "eval_queries": rows(EVAL_QUERIES, ("own", "q1", "x", "dom")),
    }
    leaks = rows(
        LEAKS,
        ("d1", "own", "e1", "exact", 1.0),
        ("d1", "own", "q1", "near", 0.9),
        ("d2", "own", "q1", "near", 0.9),
        ("d1", "other", "q1", "near", 0.9),
    )
    suites = list_references(LEAKS, leaks, {name: lambda frame=frame: frame for name, frame in frames.items()})

    with pytest.raises(AuditError) as caught:
        run_checkpoint("guard", suites, tmp_path)

    must = "leaks references must satisfy expect_column_values_to_be_in_set"
    assert str(caught.value).split("; ")[:2] == [
        f"{must} ({of}), got 1 rows that do not, e.g. {row} (value False)"
        for of, row in (
            ("doc_id in documents", "doc_id=d2 eval_name=own eval_id=q1 kind=near"),
            ("eval_name and eval_id in eval_corpus or eval_queries", "doc_id=d1 eval_name=other eval_id=q1 kind=near"),
        )
    ]


def test_hits_that_no_retriever_can_have_are_named(rows, tmp_path):
    def pair(doc, *hits):
        found = [dict(zip(("retriever", "rank", "score"), hit, strict=True)) for hit in hits]
        return ("q", doc, False, found, 0.5, None, None, None)

    scores = rows(
        SCORES,
        pair("none"),
        pair("both", ("ann", 1, 0.5), ("bm25", 3, 7.0)),
        pair("unknown", ("made_up", 1, 0.5)),
        pair("twice", ("ann", 1, 0.5), ("ann", 2, 0.5)),
        pair("disorder", ("bm25", 3, 7.0), ("ann", 1, 0.5)),
        pair("no rank", ("ann", 0, 0.5)),
        pair("no score", ("ann", 1, None)),
    )
    frames = {
        "documents": scores.select("doc_id"),
        "positives": scores.select("query_id"),
        "synthetics": scores.selectExpr("doc_id AS text_id"),
    }
    suites = list_references(SCORES, scores, {name: lambda frame=frame: frame for name, frame in frames.items()})

    with pytest.raises(AuditError, match=r"\(hits by known retrievers.*\), got 5 rows that do not") as caught:
        run_checkpoint("label", suites, tmp_path)

    told = {
        doc
        for doc in ("none", "both", "unknown", "twice", "disorder", "no rank", "no score")
        if f"doc_id={doc}" in str(caught.value)
    }
    assert told == {"unknown", "twice", "disorder", "no rank", "no score"}


def test_an_output_that_breaks_its_contract_never_exists(spark, rows, tmp_path, monkeypatch):
    (tmp_path / "docs.jsonl").write_text("{}")
    (tmp_path / "r.yaml").write_text("name: r\nsources:\n  - {name: s, format: jsonl, path: docs.jsonl}\n")

    def write(run):
        run.write(rows(POSITIVES, ("q1", "a query", doc_id, "title", 1.0, "dom", None)), POSITIVES)
        run.write(rows(REQUESTS, ("r1", "query", "d1", None, "prompt")), REQUESTS)
        run.write(rows(REPLIES, ("r1", "reply", "stop", "model")), REPLIES)

    made = {
        "guard": Stage(
            name="guard",
            version=1,
            settings=(),
            inputs={},
            outputs=(DOCUMENTS,),
            run=lambda run: run.write(rows(DOCUMENTS, document("d1")), DOCUMENTS),
        ),
        "synthesise": Stage(
            name="synthesise",
            version=1,
            settings=(),
            inputs={DOCUMENTS: "guard"},
            outputs=(POSITIVES, REQUESTS, REPLIES),
            leaves=True,
            run=write,
        ),
    }
    monkeypatch.setattr(registry, "load_stage", made.__getitem__)
    place = Workspace.open(load_recipe(tmp_path / "r.yaml"), tmp_path / "w")
    place._spark = spark
    run_stage(made["guard"], place)

    doc_id = "nowhere"
    with pytest.raises(AuditError, match=r"positives references .* \(doc_id in documents\), got 1 .*doc_id=nowhere"):
        run_stage(made["synthesise"], place)
    assert place.manifest("synthesise") is None

    doc_id = "d1"
    manifest = run_stage(made["synthesise"], place)
    assert manifest["notes"]["expectations"] > 40
    results = list((place.logs / "contracts" / "results").rglob("*.json"))
    assert sorted(path.relative_to(place.logs / "contracts" / "results").parts[0] for path in results) == sorted(
        f"synthesise-{name}{of}"
        for name in ("positives", "requests", "replies")
        for of in ("", "-columns", "-references")
    )
    assert all(json.loads(path.read_text())["success"] for path in results)  # the failed night's are gone


def test_only_what_fits_this_process_many_times_over_is_few(spark, tmp_path):
    for name, rows in (("few", 50_000), ("many", 50_001)):
        spark.range(rows).write.parquet(str(tmp_path / name))
    spark.range(1300).selectExpr("repeat(uuid(), 3000) AS text").write.parquet(str(tmp_path / "large"))
    assert [is_few(tmp_path / name) for name in ("few", "many", "large")] == [True, False, False]
