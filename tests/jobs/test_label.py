"""The label stage says why there is no teacher, and takes the one that is named as it is."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from sentence_transformers import CrossEncoder

from jobs import label
from pipeline.recipe import Recipe
from schemas.documents import DOCUMENTS
from schemas.errors import RecipeError
from schemas.mining import SCORES
from schemas.pairs import POSITIVES, SYNTHETICS
from tests.pipeline.label.rows import document, positive, score
from tests.small_bert import WORDS, save_small_bert


class PlayedRun:
    """What a running stage is handed, over tables of this test."""

    def __init__(self, spark, home, tables, settings):
        self.spark, self.tables, self.notes, self.seconds = spark, tables, {}, 0.0
        source = {"name": "s", "format": "text", "path": "none"}
        self.recipe = Recipe.from_mapping({"name": "r", "sources": [source], "label": settings})
        for name in ("cache_dir", "scratch", "log_dir", "teacher"):
            (home / name).mkdir()
            setattr(self, name, home / name)

    def read(self, table):
        return self.tables[table]

    def write(self, frame, table):
        self.tables[table] = frame.cache()

    read_back = read

    def artefact(self, name):
        return self.teacher

    def note(self, **figures):
        self.notes |= figures

    def progress(self, done, total, unit):
        pass

    def add_seconds(self, engine, seconds):
        self.seconds += seconds

    def time_engine(self, engine):
        return nullcontext()


@pytest.fixture
def play(spark, rows, tmp_path, monkeypatch):
    """Run the stage over ten queries with a positive and three candidates each; return the run."""
    scores, positives, documents = [], [], []
    for number in range(10):
        query = f"q{number}"
        positives.append(positive(query, f"{query}-p"))
        names = [f"{query}-{each}" for each in ("p", "a", "b", "c")]
        scores += [score(query, name, 0.8, is_positive=name.endswith("p"), ann_rank=1) for name in names]
        documents += [document(name, " ".join(WORDS[number : number + 1 + rank])) for rank, name in enumerate(names)]
    tables = {POSITIVES: positives, DOCUMENTS: documents, SYNTHETICS: [], SCORES: scores}

    def run(**settings):
        made = {table: rows(table, *values) for table, values in tables.items()}
        played = PlayedRun(spark, tmp_path, made, settings)
        monkeypatch.setattr(label, "_measure_signals", lambda run: made[SCORES])
        monkeypatch.setattr(label, "_measure_teacher", lambda run: {})
        monkeypatch.setattr(label, "digest_base", lambda recipe: {})
        label.run(played)
        return played

    return run


def train(figures):
    """Return a trainer that keeps what it was given and answers with figures."""
    given = SimpleNamespace()

    def teach(lessons, questions, *_, **__):
        given.lessons, given.questions = lessons, questions
        return figures

    return teach, given


def test_too_little_gold_trains_nothing_and_names_the_setting(play, monkeypatch):
    monkeypatch.setattr(label, "train_teacher", None)
    run = play(min_gold=50, held_out=0.0)
    told = "10 gold queries to learn from, fewer than label.min_gold (50)"
    assert run.notes["remarks"] == [f"no teacher: {told}"]
    assert run.notes["teacher"] == {"gold": 10, "why": told}
    assert [row.teacher for row in run.tables[SCORES].collect()] == [None] * 40


@pytest.mark.parametrize(
    ("settings", "why"), [({"enabled": False}, "label.enabled is false"), ({"held_out": 0.9}, "no gold to learn from")]
)
def test_no_teacher_is_always_told_with_its_reason(play, monkeypatch, settings, why):
    monkeypatch.setattr(label, "train_teacher", None)
    monkeypatch.setattr("pipeline.label.lessons.split_gold", lambda positives, cfg, seed: held_out(positives))
    assert play(min_gold=1, **settings).notes["remarks"] == [f"no teacher: {why}"]


def held_out(positives):
    return positives.selectExpr("query_id", "true AS is_held_out", "0.5D AS draw").distinct()


def test_a_training_that_held_out_gold_ended_leaves_the_signals_as_they_are(play, monkeypatch, tmp_path):
    teach, given = train({"steps": 9, "stopped": "after 9 of 80 steps its AUC is low"})
    monkeypatch.setattr(label, "train_teacher", teach)
    monkeypatch.setattr(label, "OpenScorer", None)
    (tmp_path / "base").mkdir()

    run = play(min_gold=1, held_out=0.4, base=str(tmp_path / "base"), refresh=0.5)

    assert run.notes["remarks"] == ["no teacher: after 9 of 80 steps its AUC is low (label.checks)"]
    assert len(given.lessons) == run.notes["teacher"]["gold"] < 10
    assert sum(each.hidden for each in given.questions) == 10 - len(given.lessons)
    assert not list((run.cache_dir).rglob("lessons.json"))  # what was given up is not kept for the next night


def test_a_model_that_is_named_scores_without_any_training(play, monkeypatch, tmp_path):
    monkeypatch.setattr(label, "train_teacher", None)
    save_small_bert(tmp_path / "body")
    torch.manual_seed(2)
    CrossEncoder(str(tmp_path / "body"), num_labels=1, device="cpu").save_pretrained(str(tmp_path / "reranker"))

    run = play(model=str(tmp_path / "reranker"), max_length=48)

    assert run.notes["teacher"] == {"model": "reranker"}
    assert run.notes["remarks"] == ["the teacher scored 40 pairs"]
    found = [row.teacher for row in run.tables[SCORES].collect()]
    assert None not in found
    assert len(set(found)) > 20
    assert not list(run.teacher.iterdir())


def test_a_model_is_checked_before_anything_starts(tmp_path):
    save_small_bert(tmp_path)
    source = {"name": "s", "format": "text", "path": "none"}
    recipe = Recipe.from_mapping({"name": "r", "sources": [source], "label": {"model": f"{tmp_path}"}})
    with pytest.raises(RecipeError, match=r"label\.model must be a model with a head that scores pairs"):
        label.digest_base(recipe)
    CrossEncoder(str(tmp_path), num_labels=1, device="cpu").save_pretrained(str(tmp_path / "reranker"))
    named = recipe.replace(label=recipe.label.replace(model=str(tmp_path / "reranker"), max_length=48))
    assert set(label.digest_base(named)) == {"model"}
    with pytest.raises(RecipeError, match=r"label\.max_length must be at most 64"):
        label.digest_base(named.replace(label=named.label.replace(max_length=128)))
