"""A recipe: every fault at once, each with its place; names that can be folders; demos that load."""

from pathlib import Path

import pytest

import jobs
from pipeline.recipe import Recipe, load_recipe, resolve_recipe
from schemas.errors import RecipeError

SOURCES = "sources: [{name: s, format: jsonl, path: docs.jsonl}]\n"


def faults_of(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load_recipe(path)
    except RecipeError as error:
        return error.faults
    return []


def test_every_fault_is_told_in_one_go_with_what_was_meant(tmp_path):
    found = faults_of(
        tmp_path,
        """
name: my corpus
sources:
  - {name: wiki, format: md, path: wiki}
  - {name: faq, format: csv, path: faq.csv, seperator: ";", fields: {content: Answer, Question: title}}
  - {name: faq, format: jsonl, path: faq.jsonl}
treshold: 0.5
bucket: {rule: source, min_size: many, cluster: {words: 2}}
train: {stage1: {lr: 2e-5, loss: infoNCE}}
holdout: {fraction: 0.1}
evaluation: [{name: heldout, path: beir}]
""",
    )
    expected = [
        "treshold must be one of the known settings, got 'treshold'; did you mean",
        "sources[0].format must be one of",
        "sources[1].seperator must be one of the known settings, got 'seperator'; did you mean delimiter?",
        "sources[1].fields.content must be one of",
        "sources[1].fields.Question must be one of",
        "bucket.min_size must be of type integer, got 'many'",
        "bucket.cluster must be left out for rule source",
        "train.stage1.lr must be one of the known settings, got 'lr'; did you mean learning_rate?",
        "train.stage1.loss must be one of infonce, cosent, triplet, margin_mse, got 'infoNCE'; did you mean infonce?",
        "name must be letters, digits, - and _, got 'my corpus'; try my-corpus",
        "sources must have names of their own, got 'faq' twice",
        "evaluation must be names other than that of the set held out (holdout.name), got 'heldout'",
    ]
    assert len(found) == len(expected)
    for start in expected:
        assert any(fault.startswith(start) for fault in found), (start, found)
    assert not any("removing" in fault for fault in found)
    told = {fault.split(" ", 1)[0]: fault for fault in found}
    assert told["sources[0].format"].endswith("did you mean markdown?")
    assert told["sources[1].fields.content"].endswith("did you mean text?")
    assert told["sources[1].fields.Question"].endswith("did you mean title: Question?")


def test_a_source_that_dedupe_prefers_must_be_there(tmp_path):
    [fault] = faults_of(tmp_path, "name: a\ndedupe: {sources: [S1]}\n" + SOURCES.replace("name: s", "name: s1"))
    assert fault == "dedupe.sources must be names of sources (s1), got 'S1'; did you mean s1?"


def test_a_setting_in_the_wrong_place_is_told_its_place(tmp_path):
    [fault] = faults_of(tmp_path, "name: a\nmax_queries: 3\n" + SOURCES)
    assert fault.endswith("did you mean holdout.max_queries or mine.max_queries?")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sources: [{name: s, format: jsonl, path: x, clean: {languages: [en, no]}}]\n", "'no'"),
        ("sources: [{name: on, format: jsonl, path: x}]\n", "'on'"),
        ("sources: [{name: 7, format: jsonl, path: x}]\n", "got 7; try quotes"),
        ("sources: [{name: s, format: pydocs, packages: [numpy, 1.5]}]\n", "packages[1] must be of type string"),
        ("sources: [{name: s, format: jsonl, path: x, fields: {text: 3}}]\n", "fields.text must be of type string"),
        ("seed: 2024-01-01\n" + SOURCES, "seed must be of type integer, got '2024-01-01'"),
        ("seed: 1e2\n" + SOURCES, "seed must be of type integer, got 100.0; try 100"),
        (f"seed: {'9' * 5000}\n" + SOURCES, "seed must be of type integer"),
        ("seed: 99999999999999999999\n" + SOURCES, "seed must be a whole number below"),
        (
            "sources: [{name: s, format: jsonl, path: '~no-such-user-here/x'}]\n",
            "sources[0].path must be a path, and ~",
        ),
        (f"erase: {'a' * 300}\n" + SOURCES, "erase must be a path whose parts"),
        ("on: x\n" + SOURCES, "true must be a setting's name"),
    ],
)
def test_a_value_that_yaml_reads_otherwise_is_told_how_to_be_written(tmp_path, text, fault):
    [found] = faults_of(tmp_path, "name: a\n" + text)
    assert fault in found


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "a\\\\b", "\\x07", "_x", ".x", "x.", "a:b", "a*", "a" * 201, "é" * 101]
)
def test_a_name_that_cannot_be_a_folder_is_refused_before_anything_is_built(tmp_path, name):
    for text in (
        f'{SOURCES}evaluation: [{{name: "{name}", path: b}}]\n',
        f'{SOURCES}holdout: {{name: "{name}"}}\n',
        f'sources: [{{name: "{name}", format: jsonl, path: x}}]\n',
        f'{SOURCES}bucket: {{other: "{name}"}}\n',
    ):
        [fault] = faults_of(tmp_path, "name: a\n" + text)
        assert "must be one folder's name" in fault or "must be at most 200 bytes" in fault
    assert faults_of(tmp_path, f'name: "{name}"\n' + SOURCES)


@pytest.mark.parametrize("name", ["quora dev", "名前", "FAQ-2024.1", "a" * 200, "می‌خواهم", "R&D (old)"])
def test_a_name_of_any_script_is_a_folder(tmp_path, name):
    assert faults_of(tmp_path, f'name: a\n{SOURCES}evaluation: [{{name: "{name}", path: b}}]\n') == []


def test_sets_that_one_folder_would_hold_are_refused(tmp_path):
    sets = "evaluation: [{name: Dev, path: a}, {name: dev, path: b}]\n"
    [fault] = faults_of(tmp_path, "name: a\n" + SOURCES + sets)
    assert "evaluation must have names of their own, got 'Dev' twice, once as 'dev'" in fault
    assert (
        faults_of(tmp_path, f"name: a\n{SOURCES}evaluation: [{{name: heldout, path: b}}]\n") == []
    )  # none is held out


def test_domains_in_a_recipe_are_paths_of_names(tmp_path):
    for domain, is_sound in {"a/b": True, "C++: FAQ": True, "a//b": False, "../x": False, "": True, " ": False}.items():
        source = f'sources: [{{name: s, format: jsonl, path: x, domain: "{domain}"}}]\n'
        assert bool(faults_of(tmp_path, "name: a\n" + source)) is not is_sound, domain


@pytest.mark.parametrize("text", ["", "- a\n", "hello\n", "sources:\n"])
def test_what_is_no_recipe_is_told_so(tmp_path, text):
    assert faults_of(tmp_path, text)


def test_paths_start_at_the_folder_of_the_recipe(tmp_path):
    given = {"name": "a", "models": "m", "erase": "e.txt", "sources": [{"name": "s", "format": "text", "path": "d"}]}
    recipe = resolve_recipe(Recipe.from_mapping(given), tmp_path)
    assert (recipe.models, recipe.erase) == (f"{tmp_path}/m", f"{tmp_path}/e.txt")
    assert recipe.sources[0].path == f"{tmp_path}/d"


def test_the_recipes_that_come_along_are_sound():
    recipes = sorted((Path(jobs.__file__).parent / "recipes").glob("*.yaml"))
    assert [load_recipe(path).name for path in recipes] == [path.stem for path in recipes]
