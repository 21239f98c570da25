"""From units to documents, judgements and rejects on Spark."""

import json

import pytest
from pyspark.sql import functions as F

from pipeline.ids import hash_id, hash_text
from pipeline.ingest.clean.config import CleanConfig
from pipeline.ingest.config import make_source
from pipeline.ingest.tables import (
    name_targets,
    read_records,
    select_annotations,
    select_documents,
    select_judgements,
    select_rejects,
)
from pipeline.ingest.units import plan_units, unit_frame
from pipeline.readers.formats.pydocs.links import nearest

PANDAS = [
    "pandas.core.frame.DataFrame.join",
    "pandas.core.frame.DataFrame.merge",
    "pandas.core.reshape.merge.merge",
    "pandas.core.series.Series.sum",
    "pandas.merge",
]


def ingest(spark, *sources, partitions=None, seed=1):
    units = unit_frame(spark, plan_units(sources))
    records = read_records(units if partitions is None else units.repartition(partitions), sources)
    targets = name_targets(records) if any(source.format == "pydocs" for source in sources) else None
    return (
        select_documents(records, targets, sources, seed),
        select_judgements(records, targets),
        select_rejects(records),
    )


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_document_carries_its_place_its_hashes_and_its_reason(spark, tmp_path):
    lines(
        tmp_path / "a.jsonl",
        {"id": 1, "title": " A  title ", "text": "Long enough,\r\n\x07to be kept.  "},
        {"text": "short"},
        {"text": "12345 67890 !!! 12345 67890"},
        {"text": "long " * 30},
    )
    source = make_source(name="s", format="jsonl", path=str(tmp_path), max_chars=100, license="CC0")

    rows = {row.line: row for row in ingest(spark, source)[0].collect()}

    first = rows[1]
    assert (first.title, first.text, first.chars) == ("A title", "Long enough,\n to be kept.", 25)
    assert first.doc_id == hash_id("s", "a.jsonl", "1", "A title", first.text)
    assert first.text_hash == hash_text(first.text)
    assert (first.family, first.domain, first.license) == (hash_id("title", "A title"), "s", "CC0")
    assert [rows[n].drop_reason for n in (1, 2, 3, 4)] == [None, "too_short", "no_letters", "too_long"]
    assert rows[2].family == rows[2].doc_id


def test_the_domain_is_the_recipes_then_the_rows_then_the_name(spark, tmp_path):
    lines(
        tmp_path / "a.jsonl",
        {"text": "A text that is kept as it is.", "domain": "own"},
        {"text": "Another that is kept."},
    )

    def domains(**settings):
        found = ingest(spark, make_source(name="s", format="jsonl", path=str(tmp_path), **settings))[0].orderBy("line")
        return [row.domain for row in found.collect()]

    assert domains() == ["own", "s"]
    assert domains(domain="fixed") == ["fixed", "fixed"]


@pytest.mark.parametrize("partitions", [1, 7])
def test_of_one_id_the_first_by_path_and_line_stays_however_the_input_is_partitioned(spark, tmp_path, partitions):
    lines(tmp_path / "b.jsonl", {"id": "x", "text": "The third text of this id."})
    lines(
        tmp_path / "a.jsonl",
        {"id": "y", "text": "Of another id altogether."},
        {"id": "x", "text": "The first text of this id."},
        {"id": "x", "text": "The second text of this id."},
        {"id": "x", "text": "The first text of this id."},
    )

    found = ingest(spark, make_source(name="s", format="jsonl", path=str(tmp_path)), partitions=partitions)[0].collect()

    assert len({row.doc_id for row in found}) == 5
    assert {(row.path, row.line): row.drop_reason for row in found} == {
        ("a.jsonl", 1): None,
        ("a.jsonl", 2): None,
        ("a.jsonl", 3): "duplicate_id",
        ("a.jsonl", 4): "duplicate_id",
        ("b.jsonl", 1): "duplicate_id",
    }


def test_equal_rows_without_an_id_are_all_kept_apart_for_dedupe(spark, tmp_path):
    lines(tmp_path / "a.jsonl", *[{"text": "The same text three times over."}] * 3)

    found = ingest(spark, make_source(name="s", format="jsonl", path=str(tmp_path)))[0].collect()

    assert len({row.doc_id for row in found}) == 3
    assert {row.drop_reason for row in found} == {None}
    assert len({row.text_hash for row in found}) == 1


def test_limits_draw_whole_families_by_hash(spark, tmp_path):
    lines(
        tmp_path / "a.jsonl",
        *[
            {"text": f"The text with number {n} of them.", "domain": "ab"[n % 2], "family": str(n // 4)}
            for n in range(80)
        ],
    )

    def taken(seed, **limits):
        found = ingest(spark, make_source(name="s", format="jsonl", path=str(tmp_path), **limits), seed=seed)[
            0
        ].collect()
        return {(row.domain, row.family, row.line) for row in found}

    eight = taken(1, limit_per_domain=8)
    assert sorted(domain for domain, *_ in eight) == ["a"] * 8 + ["b"] * 8
    assert len({family for _, family, _ in eight}) == 4
    assert taken(1, limit=8) <= taken(1, limit=12) <= taken(1)
    assert taken(1, limit=8) != taken(2, limit=8)


def test_names_in_docstrings_become_links_and_what_is_said_becomes_judgements(spark, tmp_path, monkeypatch):
    (tmp_path / "core.py").write_text('''
def join(a):
    """Join one thing to another thing.

    More about joining things, at length.

    See Also
    --------
    merge : Merge things by their keys.
    pkg.split, unknown
    """

def merge(a):
    """Merge one thing with another.

    More about merging things, at length. More about merging things."""

def split(a):
    """Split one thing in two parts.

    More about splitting things, at length. More about splitting things."""
''')
    monkeypatch.setattr("pipeline.readers.formats.pydocs.packages._installed", lambda: {"pkg": tmp_path})
    monkeypatch.setattr(
        "pipeline.readers.formats.pydocs.packages._walk_python",
        lambda *_: [("pkg/core.py", str(tmp_path / "core.py"), (tmp_path / "core.py").stat().st_size)],
    )

    documents, judgements, _ = ingest(
        spark, make_source(name="s", format="pydocs", packages=("pkg",), min_docstring=60)
    )

    links = {row.native_id: row.links for row in documents.collect()}
    assert links == {"pkg.core.join": ["pkg.core.merge", "pkg.core.split"], "pkg.core.merge": [], "pkg.core.split": []}
    assert [tuple(row) for row in judgements.collect()] == [
        ("s", "pkg.core.join see also merge", "Merge things by their keys.", "pkg.core.merge", 1.0, None)
    ]


@pytest.mark.parametrize(
    ("name", "said_by", "meant"),
    [
        ("DataFrame.merge", "pandas.core.frame.DataFrame.join", "pandas.core.frame.DataFrame.merge"),
        ("merge", "pandas.core.frame.DataFrame.join", "pandas.core.frame.DataFrame.merge"),
        ("merge", "pandas.core.reshape.concat.concat", "pandas.core.reshape.merge.merge"),
        ("pandas.merge", "pandas.core.frame.DataFrame.join", "pandas.merge"),
        ("Series.sum", "pandas.core.frame.DataFrame.join", "pandas.core.series.Series.sum"),
        ("Series.join", "pandas.core.frame.DataFrame.merge", None),
        ("join", "pandas.core.frame.DataFrame.join", None),
    ],
)
def test_a_name_means_the_nearest_symbol_that_fits(name, said_by, meant):
    index = {}
    for symbol in PANDAS:
        index.setdefault(symbol.rpartition(".")[2], []).append(symbol)

    assert nearest(name, said_by, index) == meant


@pytest.mark.parametrize("partitions", [1, 7])
def test_qrels_meet_their_queries_and_documents_once_and_what_is_left_out_has_its_reason(spark, tmp_path, partitions):
    lines(tmp_path / "corpus.jsonl", {"_id": "d1", "title": "Tea", "text": "How to brew it."})
    lines(tmp_path / "queries.jsonl", {"_id": "q1", "text": "brewing  tea"}, {"_id": "q2", "text": "unused"})
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "train.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td1\t2\nq9\td1\t1\nq1\td9\t1\nq2\td1\t0\nq9\td9\t-1\n"
    )

    documents, judgements, _ = ingest(
        spark, make_source(name="s", format="beir", path=str(tmp_path)), partitions=partitions
    )

    assert sorted(tuple(row) for row in judgements.collect()) == [
        ("s", "q1", "brewing tea", "d1", 2.0, None),
        ("s", "q1", "brewing tea", "d9", 1.0, "unknown_document"),
        ("s", "q2", "unused", "d1", 0.0, "not_relevant"),
        ("s", "q9", "", "d1", 1.0, "unknown_query"),
        ("s", "q9", "", "d9", -1.0, "unknown_query"),
    ]
    assert documents.select("title", "text").collect() == [("Tea", "Tea\nHow to brew it.")]


def test_annotations_stand_beside_the_documents_of_sources_that_ask_for_them(spark, tmp_path):
    path = lines(tmp_path / "a.jsonl", {"text": "Write to me@tea.example about the tea."}, {"text": "short"})
    plain = make_source(name="plain", format="jsonl", path=str(path))
    asking = make_source(
        name="asking", format="jsonl", path=str(path), clean=CleanConfig(pii="redact", languages=("en",))
    )
    records = read_records(unit_frame(spark, plan_units([plain, asking])), [plain, asking])

    documents = select_documents(records, None, [plain, asking], 1).where("source = 'asking'").orderBy("line").collect()
    found = {row.doc_id: row for row in select_annotations(records, [plain, asking], 1).collect()}

    assert [row.doc_id for row in documents if row.doc_id in found] == [row.doc_id for row in documents]
    assert len(found) == 2
    first = found[documents[0].doc_id]
    assert (documents[0].text, first.pii, first.language) == ("Write to <email> about the tea.", ["email"], "en")
    assert select_annotations(records, [plain], 1).collect() == []


def test_rejects_keep_place_reason_and_bytes(spark, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(
        b'{"text": "good and long enough to keep"}\n{broken\n' + b"[" + b"1" * 100_000 + b"]\n"
    )

    _, _, rejects = ingest(spark, make_source(name="s", format="jsonl", path=str(tmp_path)))

    found = rejects.orderBy("line").select("path", "line", "reason", "raw").collect()
    assert [tuple(row)[:3] for row in found] == [("a.jsonl", 2, "not_json"), ("a.jsonl", 3, "not_json")] or [
        tuple(row)[:3] for row in found
    ] == [("a.jsonl", 2, "not_json"), ("a.jsonl", 3, "not_an_object")]
    assert bytes(found[0].raw) == b"{broken\n"
    assert rejects.agg(F.max(F.length("raw"))).collect()[0][0] == 64 << 10
