"""MS MARCO folders: passages, queries and TREC judgements."""

import gzip

import pytest

from pipeline.ingest.config import make_source
from pipeline.ingest.files import list_files
from pipeline.ingest.units import plan_units
from pipeline.readers.registry import FORMATS
from schemas.errors import RecipeError


def records(form, path, **settings):
    source = make_source(name="s", format=form, path=str(path), **settings)
    return [record for unit in plan_units([source]) for record in FORMATS[form].read(unit, source)]


def test_an_ms_marco_folder_gives_passages_queries_and_judgements(tmp_path):
    (tmp_path / "collection.tsv.gz").write_bytes(gzip.compress(b'7\tTea is "brewed.\n8\tMilk.\n'))
    (tmp_path / "queries.dev.tsv").write_text("3\twhat is\ttea\n")
    (tmp_path / "qrels.dev.tsv").write_text("3\t0\t7\t1\n3 0 8 0\n")

    found = records("msmarco", tmp_path, split="dev")

    assert [(r.kind, r.native_id, r.text, r.links, r.grade) for r in found] == [
        ("document", "7", 'Tea is "brewed.', [], None),
        ("document", "8", "Milk.", [], None),
        ("query", "3", "what is\ttea", [], None),
        ("qrel", "3", "", ["7"], 1.0),
        ("qrel", "3", "", ["8"], 0.0),
    ]
    with pytest.raises(RecipeError, match=r"must be an MS MARCO folder, got .* without queries.train.tsv"):
        list_files(make_source(name="s", format="msmarco", path=str(tmp_path)))
