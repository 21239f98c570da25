"""Every retriever that the contracts name can be asked, and answers in the form of a hit."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from jobs.engines.lucene import build_lucene
from jobs.retrievers import registry
from jobs.retrievers.registry import find_search, search_all
from pipeline.contract import frame_of
from pipeline.index.config import IndexConfig
from pipeline.mine.candidates import mine_candidates
from pipeline.mine.config import SEARCHING, MineConfig
from schemas.mining import DENSE, EMBEDDINGS, LEXICAL, RETRIEVERS, TEXT_EMBEDDINGS, WRITTEN

TEXTS = {"d1": "bees dance", "d2": "bees sleep", "d3": "locks of canals"}
VECTORS = {"d1": [1.0, 0.0], "d2": [0.8, 0.6], "d3": [0.0, 1.0]}


@pytest.fixture
def asked(spark, tmp_path):
    """Return what asks with some settings: one query, for which a model wrote one negative."""
    (tmp_path / "lucene").mkdir()
    build_lucene(TEXTS.items(), tmp_path / "lucene", IndexConfig())

    def make(**settings):
        run = SimpleNamespace(
            recipe=SimpleNamespace(mine=MineConfig(**settings), seed=3),
            read=lambda table: frame_of(spark, table, list(VECTORS.items()) if table is EMBEDDINGS else []),
            source_of=lambda name: tmp_path / name,
            scratch=tmp_path / "scratch",
            note=lambda **_: None,
            remark=lambda _: None,
        )
        queries = spark.createDataFrame([("q", "how do bees dance")], "query_id string, query string")
        negatives = spark.createDataFrame([("q", "n", "wasps")], "query_id string, text_id string, text string")
        vectors = frame_of(spark, TEXT_EMBEDDINGS, [("q", [1.0, 0.0]), ("n", [0.6, 0.8])])
        return run, queries, negatives, vectors

    return make


@pytest.mark.engine
def test_every_retriever_asked_for_answers_to_its_own_depth_and_written_negatives_always_do(asked):
    run, *rest = asked(depth=3, depth_bm25=1)

    found = dict(search_all(run, *rest))

    assert list(found) == list(RETRIEVERS)
    rows = mine_candidates(list(found.items()), run.recipe.mine).collect()
    assert sorted((row.retriever, row["rank"], row.doc_id) for row in rows) == [
        ("ann", 1, "d1"),
        ("ann", 2, "d2"),
        ("ann", 3, "d3"),
        ("bm25", 1, "d1"),
        ("synthetic", 1, "n"),
    ]


@pytest.mark.engine
def test_what_is_left_out_at_the_top_is_searched_for_beyond_the_depth(asked):
    run, *rest = asked(retrievers=("ann",), depth=1, skip_ranks=1)

    found = dict(search_all(run, *rest))

    assert list(found) == ["ann", "synthetic"]
    rows = mine_candidates(list(found.items()), run.recipe.mine).collect()
    assert sorted((row.retriever, row["rank"], row.doc_id) for row in rows) == [("ann", 2, "d2"), ("synthetic", 1, "n")]


@pytest.mark.parametrize("name", RETRIEVERS)
def test_every_name_of_the_contracts_has_its_file(name):
    assert callable(find_search(name))
    assert (name in SEARCHING) == (RETRIEVERS[name] != WRITTEN)
    assert MineConfig(depth=7).depth_of(name) == 7


def test_a_new_retriever_is_a_file_and_a_line(monkeypatch):
    made_up = ModuleType("jobs.retrievers.made_up")
    made_up.search = lambda asked: ("hits of", asked.queries, asked.depth)
    monkeypatch.setitem(sys.modules, made_up.__name__, made_up)
    monkeypatch.setattr(registry, "RETRIEVERS", {"made_up": LEXICAL, "another": DENSE})
    cfg = MineConfig(depth=5, skip_ranks=2).model_copy(update={"retrievers": ("made_up",)})
    run = SimpleNamespace(recipe=SimpleNamespace(mine=cfg))

    assert list(search_all(run, "queries", None, None)) == [("made_up", ("hits of", "queries", 7))]
