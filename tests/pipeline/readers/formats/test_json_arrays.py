"""JSON arrays and SQuAD files, item by item; tests/behaviour/test_bad_input.py has the broken ones."""

import bz2
import gzip
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def records(form, path, **settings):
    source = make_source(name="s", format=form, path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]


@given(
    rows=st.lists(st.fixed_dictionaries({"text": TEXT, "n": st.floats(allow_nan=False) | st.integers()}), max_size=8),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    escape=st.booleans(),
)
def test_an_array_is_read_whatever_falls_on_the_edge_of_the_window(tmp_path_factory, rows, chunk, indent, escape):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=escape), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.readers.formats.json_arrays._CHUNK", chunk)
        found = records("json", path)

    assert [(record.line, record.text) for record in found] == [(n, row["text"]) for n, row in enumerate(rows, 1)]


def test_the_array_may_lie_inside_an_object(tmp_path):
    inside = {"meta": {"docs": [{"text": "no"}]}, "response": {"n": 1, "docs": [{"text": "yes"}]}, "more": [1]}
    (tmp_path / "a.json.bz2").write_bytes(bz2.compress(b"\xef\xbb\xbf" + json.dumps(inside).encode()))

    [found] = records("json", tmp_path, items="response.docs")
    [no_array] = records("json", tmp_path)
    [no_key] = records("json", tmp_path, items="response.rows")

    assert found.text == "yes"
    assert "try format jsonl, or sources.s.items" in no_array.detail
    assert "no key 'rows'" in no_key.detail


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
def test_items_before_a_break_are_read(tmp_path, suffix):
    pack = {"gz": gzip.compress, "bz2": bz2.compress}[suffix]
    items = b"[" + b", ".join(b'{"text": "number %d"}' % n for n in range(1000))
    (tmp_path / f"a.json.{suffix}").write_bytes(pack(items) + pack(b', {"text": "cut"}')[:-5])

    *found, last = records("json", tmp_path)

    assert [record.text for record in found[:1000]] == [f"number {n}" for n in range(1000)]
    assert last.reason.startswith("broken_")


def test_another_encoding_can_be_named(tmp_path):
    (tmp_path / "a.json").write_bytes('[{"text": "Käse"}]'.encode("latin-1"))

    assert [record.text for record in records("json", tmp_path, encoding="latin-1")] == ["Käse"]
    assert [record.reason for record in records("json", tmp_path)] == ["wrong_encoding"]


def test_a_large_array_is_not_held_in_memory(tmp_path):
    (tmp_path / "a.json").write_text("[" + ", ".join(json.dumps({"text": "x" * 1000}) for _ in range(8_000)) + "]")
    source = make_source(name="s", format="json", path=str(tmp_path))
    tracemalloc.start()
    try:
        count = sum(1 for unit in plan_units([source]) for _ in FORMATS["json"].read(unit, source))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 8_000
    assert peak < 2 << 20


def test_squad_gives_contexts_questions_and_judgements(tmp_path):
    data = [
        {
            "title": "Green_tea",
            "paragraphs": [
                {
                    "context": "Tea is green.",
                    "qas": [
                        {"id": "q1", "question": "Which colour?", "answers": []},
                        {"id": "q2", "question": "Whose?", "is_impossible": True},
                    ],
                },
                {"id": "own", "context": "Tea is old.", "qas": [{"id": 3, "question": "How old?"}]},
            ],
        },
        {"paragraphs": [{"context": "Milk.", "qas": []}]},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"version": "1.1", "data": data}))

    found = records("squad", tmp_path)

    assert [(r.native_id, r.title, r.text, r.line) for r in found if r.kind == "document"] == [
        ("a.json#1", "Green tea", "Tea is green.", 1),
        ("own", "Green tea", "Tea is old.", 2),
        ("a.json#3", "", "Milk.", 3),
    ]
    assert [(r.native_id, r.text) for r in found if r.kind == "query"] == [
        ("q1", "Which colour?"),
        ("q2", "Whose?"),
        ("3", "How old?"),
    ]
    assert [(r.native_id, r.links, r.grade) for r in found if r.kind == "qrel"] == [
        ("q1", ["a.json#1"], 1.0),
        ("3", ["own"], 1.0),
    ]
