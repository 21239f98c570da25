"""The classifier: learns what it is told, says how good it is, and guesses the same at any partitioning."""

import random

import numpy as np
import pyarrow as pa
import pytest

from pipeline.bucket.classifier import (
    believe_guesses,
    draw_lessons,
    fit_temperature,
    guess_domains,
    load_classifier,
    softmax,
    train_classifier,
)
from pipeline.bucket.config import BucketConfig, ClassifierConfig
from schemas.documents import DOCUMENTS
from schemas.errors import RecipeError, ShardError

SUBJECTS = {
    "tea": "leaf pot water brew cup green steep kettle oolong aroma",
    "rail": "train track signal station engine carriage platform ticket whistle gauge",
    "茶": "绿茶沸水茶叶冲泡苦涩茶壶清香龙井乌龙普洱",
}


def text_of(subject: str, draw: random.Random) -> str:
    bag = SUBJECTS[subject]
    if " " in bag:
        return " ".join(draw.choices([*bag.split(), "the", "and", "of", "many"], k=12))
    return "".join(draw.choices([bag[i : i + 2] for i in range(0, len(bag), 2)] + ["我们", "很好"], k=8))


def document(number: int, domain: str, text: str, drop_reason: str | None = None) -> tuple[object, ...]:
    return (
        f"d{number:04}",
        "web",
        "a",
        1,
        None,
        "",
        text,
        [],
        f"f{number // 2}",
        domain,
        None,
        len(text),
        "h",
        drop_reason,
    )


@pytest.fixture(scope="module")
def documents():
    """Sixty documents a subject, of which twenty say no domain: theirs is the name of the source."""
    draw, made = random.Random(1), []
    for subject in SUBJECTS:
        for place in range(60):
            domain = subject if place < 40 else "web"
            made.append((subject, document(len(made), domain, text_of(subject, draw))))
    made.append(("tea", document(len(made), "web", "leaf pot", "too_short")))
    made.append(("none", document(len(made), "web", "zzz qqq xxx")))
    return made


CFG = BucketConfig(rule="classifier", min_size=10, classifier=ClassifierConfig(min_confidence=0.6))


@pytest.fixture(scope="module")
def trained(spark, documents, tmp_path_factory):
    from pipeline.contract import frame_of

    frame = frame_of(spark, DOCUMENTS, [row for _, row in documents])
    lessons = draw_lessons(frame, [], CFG, 13).toArrow()
    model, figures = train_classifier(lessons, CFG.classifier, 13)
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    return frame, lessons, model, figures, folder


def test_it_learns_from_the_stated_domains_and_finds_the_others(trained, documents):
    frame, lessons, _, figures, folder = trained
    subjects = {row[0]: subject for subject, row in documents}

    guesses = {row.doc_id: row for row in guess_domains(frame, [], folder, CFG.classifier).collect()}

    assert lessons.num_rows == 120
    assert set(lessons["domain"].to_pylist()) == set(SUBJECTS)
    assert figures["macro_f1"] == 1.0
    assert figures["lessons"] == 120
    assert 0 < figures["held_out"] < 60
    assert len(guesses) == 61  # the dropped one is not asked for
    asked = [each for each in guesses if subjects[each] != "none"]
    assert [guesses[each].guess for each in asked] == [subjects[each] for each in asked]


def test_what_is_not_believed_joins_the_other_domain_and_what_is_stated_stays(trained, documents):
    frame, _, _, _, folder = trained
    guesses = guess_domains(frame, [], folder, CFG.classifier)

    paths = {row.doc_id: row.path for row in believe_guesses(frame, [], guesses, CFG).collect()}

    unknown = next(row[0] for subject, row in documents if subject == "none")
    assert paths[unknown] == "other"
    assert all(paths[row[0]] == subject for subject, row in documents if row[-1] is None and row[0] != unknown)
    assert len(paths) == 181


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_lessons_and_guesses_are_the_same_at_any_partitioning(trained, partitions):
    frame, _, model, figures, folder = trained
    cut = frame.repartition(partitions)

    again, figures_again = train_classifier(draw_lessons(cut, [], CFG, 13).toArrow(), CFG.classifier, 13)

    assert figures_again == figures
    assert again.slopes.tobytes() == model.slopes.tobytes()
    expected = sorted(guess_domains(frame, [], folder, CFG.classifier).collect())
    assert sorted(guess_domains(cut, [], folder, CFG.classifier).collect()) == expected


def test_a_cap_takes_as_many_of_each_domain(trained):
    frame = trained[0]
    cfg = BucketConfig(rule="classifier", min_size=10, classifier=ClassifierConfig(lessons=30))
    drawn = draw_lessons(frame, [], cfg, 13).toPandas()
    assert drawn["domain"].value_counts().to_dict() == dict.fromkeys(SUBJECTS, 10)
    assert drawn["doc_id"].is_monotonic_increasing


def test_domains_too_small_to_stand_are_no_lesson(trained):
    frame = trained[0]
    cfg = BucketConfig(rule="classifier", min_size=41)
    with pytest.raises(RecipeError, match=r"two domains or more to learn, got none; try sources"):
        train_classifier(draw_lessons(frame, [], cfg, 13).toArrow(), cfg.classifier, 13)


def test_a_domain_that_the_recipe_says_is_stated_though_it_is_the_source_name(trained):
    frame = trained[0]
    drawn = draw_lessons(frame, ["web"], CFG, 13).toPandas()
    assert drawn["domain"].value_counts()["web"] == 61


def test_two_families_a_domain_cannot_be_measured():
    rows = pa.table(
        {
            "doc_id": list("abcd"),
            "family": ["f"] * 4,
            "domain": ["x", "x", "y", "y"],
            "text": ["one two", "one two", "three four", "three four"],
        }
    )
    with pytest.raises(RecipeError, match="families on both sides"):
        train_classifier(rows, ClassifierConfig(), 13)


def test_it_is_stored_as_plain_arrays_and_read_back(trained, tmp_path):
    _, _, model, _, folder = trained
    texts = pa.array(["leaf pot brew", "train track"])
    loaded = load_classifier(folder)
    assert loaded.labels == model.labels
    assert [part.tobytes() for part in loaded.guess(texts)] == [part.tobytes() for part in model.guess(texts)]
    np.load(folder / "classifier.npz", allow_pickle=False)["slopes"]
    (tmp_path / "classifier.npz").write_bytes(b"PK broken")
    with pytest.raises(ShardError, match="try running the stage bucket again"):
        load_classifier(tmp_path)


def test_two_domains_are_told_apart_by_one_machine():
    texts = [f"red apple {i % 3}" for i in range(20)] + [f"blue sky {i % 3}" for i in range(20)]
    rows = pa.table(
        {
            "doc_id": [f"{i:02}" for i in range(40)],
            "family": [f"f{i}" for i in range(40)],
            "domain": ["apple"] * 20 + ["sky"] * 20,
            "text": texts,
        }
    )
    model, _ = train_classifier(rows, ClassifierConfig(), 13)
    best, chance = model.guess(pa.array(["an apple", "a sky"]))
    assert best.tolist() == [0, 1]
    assert chance.min() > 0.5


def test_the_temperature_is_the_likeliest_one():
    draw = np.random.default_rng(3)
    margins = draw.normal(size=(4000, 3))
    true = softmax(margins, 0.25)
    answers = np.array([draw.choice(3, p=row) for row in true])
    assert fit_temperature(margins, answers) == pytest.approx(0.25, abs=0.03)
