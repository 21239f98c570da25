import json

import pytest

from trainer.__main__ import main


def export(dataset, layout, out, *more):
    return main(["export", "--dataset", str(dataset), "--format", layout, "--out", str(out), *more])


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def small(publish, row, tmp_path):
    """Stage 1: two domains; stage 2: a row with two usable negatives, one with a known one, one without scores."""
    full = row("q1", "p1", ["n1", "n2"], positive_teacher=0.9, negative_teacher=[0.5, 0.1])
    known = row("q2", "p2", ["n1", "n3"])
    known["known_ids"] = [*known["known_ids"], known["negative_ids"][0]]
    pairs = [[row("q1", "p1")], [row("q3", "ü3", domain="e/f")]]
    return publish(tmp_path / "dataset", {1: pairs, 2: [[full, known]]})


def test_sentence_transformers_gets_columns_that_its_losses_take(small, tmp_path):
    datasets = pytest.importorskip("datasets")

    assert export(small, "sentence-transformers", tmp_path / "out", "--negatives", "2") == 0

    pairs, hard = (
        datasets.load_dataset(
            "parquet",
            data_dir=str(tmp_path / "out" / f"stage{stage}"),
            split="train",
            cache_dir=str(tmp_path / "cache"),
        ).to_list()
        for stage in (1, 2)
    )
    assert hard == [{"anchor": "q1", "positive": "p1", "negative_1": "n1", "negative_2": "n2"}]
    assert pairs == [{"anchor": "q1", "positive": "p1"}, {"anchor": "q3", "positive": "ü3"}]


def test_the_number_of_columns_is_the_fewest_negatives_of_a_row_and_nothing_is_left_out(small, tmp_path, capsys):
    datasets = pytest.importorskip("datasets")

    assert export(small, "sentence-transformers", tmp_path / "out") == 0

    hard = datasets.load_dataset(
        "parquet", data_dir=str(tmp_path / "out" / "stage2"), split="train", cache_dir=str(tmp_path / "cache")
    ).to_list()
    assert hard == [
        {"anchor": "q1", "positive": "p1", "negative_1": "n1"},
        {"anchor": "q2", "positive": "p2", "negative_1": "n3"},
    ]
    assert json.loads(capsys.readouterr().out)["done"] == {
        "stage1_rows": 2,
        "stage1_left_out": 0,
        "stage2_rows": 2,
        "stage2_left_out": 0,
    }


def test_flagembedding_gets_a_file_a_domain_and_scores_where_all_are_there(small, tmp_path):
    assert export(small, "flagembedding", tmp_path / "out") == 0

    assert sorted(path.name for path in (tmp_path / "out" / "stage1").iterdir()) == ["d-pair.jsonl", "e_f-pair.jsonl"]
    assert read(tmp_path / "out" / "stage2" / "d-negatives.jsonl") == [
        {"query": "q1", "pos": ["p1"], "neg": ["n1", "n2"], "pos_scores": [0.9], "neg_scores": [0.5, 0.1]},
        {"query": "q2", "pos": ["p2"], "neg": ["n3"]},
    ]


def test_tevatron_gets_passages_with_ids(small, tmp_path):
    assert export(small, "tevatron", tmp_path / "out") == 0

    first = read(tmp_path / "out" / "stage2" / "train.jsonl")[0]
    assert first["query"] == "q1"
    assert [passage["text"] for passage in first["positive_passages"]] == ["p1"]
    assert [passage["text"] for passage in first["negative_passages"]] == ["n1", "n2"]
    assert set(first["negative_passages"][0]) == {"docid", "title", "text"}


def test_beir_holds_every_text_once(small, tmp_path):
    assert export(small, "beir", tmp_path / "out") == 0

    out = tmp_path / "out"
    assert sorted(record["text"] for record in read(out / "corpus.jsonl")) == ["n1", "n2", "n3", "p1", "p2", "ü3"]
    assert sorted(record["text"] for record in read(out / "queries.jsonl")) == ["q1", "q2", "q3"]
    assert len((out / "qrels" / "train.tsv").read_text().splitlines()) == 4


def test_what_exists_is_not_overwritten_and_damage_leaves_nothing(small, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert export(small, "beir", tmp_path / "out") == 1
    assert "--out must not exist yet" in capsys.readouterr().err
    next(small.rglob("part-0.parquet")).write_bytes(b"x")

    assert export(small, "beir", tmp_path / "new") == 1

    assert "must match its manifest" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
