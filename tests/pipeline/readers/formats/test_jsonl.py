"""JSON lines under the user's names; tests/behaviour/test_bad_input.py has the broken ones."""

import gzip
import json

import pytest

from pipeline.ingest.config import make_source
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS


def records(form, path, **settings):
    source = make_source(name="s", format=form, path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]


@pytest.mark.parametrize("packed", [False, True])
def test_json_lines_are_read_under_the_users_names(tmp_path, packed):
    rows = [
        {"headline": "Tea", "body": "How to brew it.", "nr": 7, "area": "food", "see": ["8"]},
        {"body": "No title."},
    ]
    raw = ("\ufeff" + "\n\n".join(json.dumps(row) for row in rows)).encode()
    path = tmp_path / ("a.jsonl.gz" if packed else "a.jsonl")
    path.write_bytes(gzip.compress(raw) if packed else raw)
    fields = {"title": "headline", "text": "body", "id": "nr", "domain": "area", "links": "see"}

    first, second = records("jsonl", path, fields=fields)

    assert (first.title, first.text, first.native_id, first.domain, first.links) == (
        "Tea",
        "How to brew it.",
        "7",
        "food",
        ["8"],
    )
    assert (second.title, second.text, second.native_id, second.line) == ("", "No title.", None, 3)


def test_another_encoding_can_be_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"text": "Käse"}'.encode("latin-1"))

    [found] = records("jsonl", tmp_path, encoding="latin-1")

    assert found.text == "Käse"


def test_nan_is_a_missing_value_and_a_float_of_a_whole_number_an_id(tmp_path):
    rows = [
        '{"id": 1, "title": NaN, "text": "one", "license": NaN, "links": [2.0, NaN, "x"]}',
        '{"id": 3.0, "text": "two", "domain": "NaN", "links": NaN}',
        '{"id": NaN, "title": "NaN", "text": "three"}',
        '{"id": 5, "text": NaN}',
        '{"id": Infinity, "text": "four"}',
        '{"id": 1.5, "text": "five"}',
        '{"id": true, "text": "six"}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))

    found = records("jsonl", tmp_path)

    assert [(r.native_id, r.title, r.links, r.domain, r.license) for r in found[:3]] == [
        ("1", "", ["2", "x"], None, None),
        ("3", "", [], None, None),
        (None, "NaN", [], None, None),
    ]
    assert [r.reason for r in found[3:]] == ["missing_field", "wrong_type", "wrong_type", "wrong_type"]
