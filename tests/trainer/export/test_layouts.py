"""What other trainers find in an export, read as each of them reads it."""

import json
import random

import pyarrow.parquet as pq
import pytest

from trainer.__main__ import main


def export(dataset, layout, out, *more):
    return main(["export", "--dataset", str(dataset), "--format", layout, "--out", str(out), *more])


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def counted(capsys, stage):
    done = json.loads(capsys.readouterr().out.splitlines()[-1])["done"]
    return {
        name.removeprefix(f"stage{stage}_"): value for name, value in done.items() if name.startswith(f"stage{stage}")
    }


@pytest.fixture
def small(publish, row, tmp_path):
    """Stage 1: two domains; stage 2: a row with two usable negatives, one with a known one, one without scores."""
    full = row("q1", "p1", ["n1", "n2"], positive_teacher=0.9, negative_teacher=[0.5, 0.1])
    known = row("q2", "p2", ["n1", "n3"])
    known["known_ids"] = [*known["known_ids"], known["negative_ids"][0]]
    pairs = [[row("q1", "p1")], [row("q3", "ü3", domain="e/f"), row("q4", "p4", domain="e/f")]]
    return publish(tmp_path / "dataset", {1: pairs, 2: [[full, known]]})


@pytest.fixture
def uneven(publish, row, tmp_path):
    """Three rows with three negatives, one with one, one with none of use, in two batches."""
    rows = [row(f"q{at}", f"p{at}", [f"n{at}{each}" for each in range(3)]) for at in range(3)]
    one, none = row("q3", "p3", ["n3"]), row("q4", "p4", ["n4"])
    none["known_ids"] = [*none["known_ids"], *none["negative_ids"]]
    return publish(tmp_path / "uneven", {2: [[*rows, one], [none]]})


def columns(path):
    return pq.read_table(path).to_pylist()


def test_sentence_transformers_gets_a_row_for_each_negative_and_none_is_lost(small, tmp_path, capsys):
    datasets = pytest.importorskip("datasets")

    assert export(small, "sentence-transformers", tmp_path / "out") == 0

    pairs, hard = (
        datasets.load_dataset(
            "parquet",
            data_dir=str(tmp_path / "out" / f"stage{stage}"),
            split="train",
            cache_dir=str(tmp_path / "cache"),
        ).to_list()
        for stage in (1, 2)
    )
    assert hard == [
        {"anchor": "q1", "positive": "p1", "negative": "n1"},
        {"anchor": "q1", "positive": "p1", "negative": "n2"},
        {"anchor": "q2", "positive": "p2", "negative": "n3"},
    ]
    assert pairs[:2] == [{"anchor": "q1", "positive": "p1"}, {"anchor": "q3", "positive": "ü3"}]
    assert counted(capsys, 2) == {"rows": 3, "left_out": 0, "negatives": 3, "negatives_left_out": 1, "filled": 0}


@pytest.mark.parametrize(
    ("more", "widths", "counts"),
    [
        ((), {"": 10}, {"rows": 10, "left_out": 1, "negatives": 10, "negatives_left_out": 1, "filled": 0}),
        (("--rows", "triplets", "--negatives", "2"), {"": 7}, {"rows": 7, "negatives": 7, "negatives_left_out": 4}),
        (("--rows", "tuples"), {"": 3}, {"rows": 3, "left_out": 2, "negatives": 9, "negatives_left_out": 2}),
        (("--negatives", "1"), {"": 4}, {"rows": 4, "left_out": 1, "negatives": 4, "negatives_left_out": 7}),
        (("--negatives", "9"), {"": 3}, {"rows": 3, "left_out": 2, "negatives": 9, "negatives_left_out": 2}),
        (("--negatives", "0"), {"": 5}, {"rows": 5, "left_out": 0, "negatives": 0, "negatives_left_out": 11}),
        (("--rows", "files"), {"-0": 1, "-1": 1, "-3": 3}, {"rows": 5, "left_out": 0, "negatives": 10}),
        (("--negatives", "3", "--pad"), {"": 4}, {"rows": 4, "left_out": 1, "negatives": 10, "filled": 2}),
    ],
)
def test_rows_by_number_of_negatives_are_a_choice_and_every_negative_is_counted(
    uneven, tmp_path, capsys, more, widths, counts
):
    assert export(uneven, "sentence-transformers", tmp_path / "out", *more) == 0

    found = counted(capsys, 2)
    assert {name: found[name] for name in counts} == counts
    assert found["negatives"] + found["negatives_left_out"] == 11
    files = {path.stem.removeprefix("train"): len(columns(path)) for path in (tmp_path / "out" / "stage2").iterdir()}
    assert files == widths


def test_a_padded_row_gets_answers_of_other_rows_that_are_not_known_to_be_its_own(uneven, tmp_path):
    assert export(uneven, "sentence-transformers", tmp_path / "out", "--negatives", "3", "--pad") == 0

    last = columns(tmp_path / "out" / "stage2" / "train.parquet")[-1]
    assert last == {"anchor": "q3", "positive": "p3", "negative_1": "n3", "negative_2": "p0", "negative_3": "p1"}


def flagembedding_draws(row, group, rng):
    """What FlagEmbedding's data set does with a row: it repeats a short list until it is long enough."""
    wanted = group - 1
    if len(row["neg"]) < wanted:
        times = -(-wanted // len(row["neg"]))
        return rng.sample(row["neg"] * times, wanted)
    return rng.sample(row["neg"], wanted)


def tevatron_draws(row, group, rng):
    """What Tevatron's data set does with a row: it draws with repetition from a short list."""
    found, wanted = row["negative_passages"], group - 1
    return rng.choices(found, k=wanted) if len(found) < wanted else found[:wanted]


def test_flagembedding_finds_negatives_in_every_row(small, tmp_path, capsys):
    assert export(small, "flagembedding", tmp_path / "out") == 0

    assert counted(capsys, 1) == {"rows": 2, "left_out": 1, "negatives": 0, "negatives_left_out": 0, "filled": 2}
    (file,) = (tmp_path / "out" / "stage1").iterdir()
    assert file.name.startswith("e_f-pair")
    rows = [row for path in (tmp_path / "out").rglob("*.jsonl") for row in read(path)]
    assert len(rows) == 4
    rng = random.Random(0)
    assert all(len(flagembedding_draws(row, 8, rng)) == 7 for row in rows)
    assert {row["query"]: row["neg"] for row in rows}["q3"] == ["p4"]


def test_flagembeddings_scores_stand_in_files_where_every_row_has_them(small, tmp_path):
    assert export(small, "flagembedding", tmp_path / "out") == 0

    folder = tmp_path / "out" / "stage2"
    assert read(folder / "d-negatives-scored.jsonl") == [
        {"query": "q1", "pos": ["p1"], "neg": ["n1", "n2"], "pos_scores": [0.9], "neg_scores": [0.5, 0.1]}
    ]
    assert read(folder / "d-negatives.jsonl") == [{"query": "q2", "pos": ["p2"], "neg": ["n3"]}]


def test_every_domain_has_a_file_of_its_own_whatever_its_name(publish, row, tmp_path):
    domains = ["a/b", "a_b", "A_b", "..", "x" * 400, "北京"]
    batches = [[row(f"q{d}", f"p{d}", ["n"], domain=d), row(f"r{d}", f"s{d}", ["n"], domain=d)] for d in domains]
    publish(tmp_path / "dataset", {2: batches})

    assert export(tmp_path / "dataset", "flagembedding", tmp_path / "out") == 0

    files = list((tmp_path / "out" / "stage2").iterdir())
    assert len({path.name.casefold() for path in files}) == len(domains)
    assert all(len(read(path)) == 2 for path in files)


def test_tevatron_gets_passages_with_ids_and_some_to_draw_from(small, tmp_path):
    assert export(small, "tevatron", tmp_path / "out") == 0

    first = read(tmp_path / "out" / "stage2" / "train.jsonl")[0]
    assert first["query"] == "q1"
    assert [passage["text"] for passage in first["positive_passages"]] == ["p1"]
    assert [passage["text"] for passage in first["negative_passages"]] == ["n1", "n2"]
    assert set(first["negative_passages"][0]) == {"docid", "title", "text"}
    rows = [row for path in (tmp_path / "out").rglob("*.jsonl") for row in read(path)]
    assert all(len(tevatron_draws(row, 8, random.Random(0))) == 7 for row in rows)


def test_a_filled_row_never_gets_what_is_known_to_answer_it(publish, row, tmp_path):
    asks, other = row("q", "p"), row("r", "s")
    asks["known_ids"] = [*asks["known_ids"], other["positive_id"]]
    again, own = row("q", "t"), row("u", "q")  # the same query once more; a document that is the query itself
    publish(tmp_path / "dataset", {1: [[asks, other, again, own]]})

    assert export(tmp_path / "dataset", "tevatron", tmp_path / "out") == 0

    rows = {row["positive_passages"][0]["text"]: row for row in read(tmp_path / "out" / "stage1" / "train.jsonl")}
    assert "p" not in rows  # nothing in its batch may stand against it
    assert [each["text"] for each in rows["t"]["negative_passages"]] == ["s"]
    assert [each["text"] for each in rows["s"]["negative_passages"]] == ["t", "q", "p"]


def test_beir_holds_every_text_once(small, tmp_path):
    assert export(small, "beir", tmp_path / "out") == 0

    out = tmp_path / "out"
    assert sorted(record["text"] for record in read(out / "corpus.jsonl")) == ["n1", "n2", "n3", "p1", "p2", "p4", "ü3"]
    assert sorted(record["text"] for record in read(out / "queries.jsonl")) == ["q1", "q2", "q3", "q4"]
    assert len((out / "qrels" / "train.tsv").read_text().splitlines()) == 5


def test_what_sources_call_texts_stands_beside_the_hashes(publish, row, tmp_path):
    named = row("q", "p", ["n", "m"], query_native_id="7", positive_native_id="kb-1", negative_native_ids=["kb-2", ""])
    publish(tmp_path / "dataset", {2: [[named]]})

    assert export(tmp_path / "dataset", "beir", tmp_path / "out") == 0

    corpus = {record["text"]: record["metadata"] for record in read(tmp_path / "out" / "corpus.jsonl")}
    assert [corpus[text].get("native_id") for text in "pnm"] == ["kb-1", "kb-2", None]
    assert read(tmp_path / "out" / "queries.jsonl")[0]["metadata"]["native_id"] == "7"


def test_the_words_that_mining_put_before_texts_are_told(small, tmp_path, capsys):
    manifest = json.loads((small / "manifest.json").read_text())
    manifest |= {"recipe": {"encoder": {"query_prefix": None}}, "prompts": {"query": "query: ", "document": ""}}
    (small / "manifest.json").write_text(json.dumps(manifest))

    assert export(small, "beir", tmp_path / "out") == 0

    assert json.loads(capsys.readouterr().out)["done"]["prompts"] == {"query": "query: "}
    assert json.loads((tmp_path / "out" / "prompts.json").read_text()) == {"query": "query: "}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--negatives", "-1"), "--negatives must be at least 0, got -1"),
        (("--pad",), "--pad must be given with --negatives N"),
        (("--rows", "files", "--negatives", "2", "--pad"), "--pad must be given with --negatives N"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(small, tmp_path, capsys, more, says):
    assert export(small, "sentence-transformers", tmp_path / "out", *more) == 1

    assert says in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_rows_are_a_choice_for_sentence_transformers_alone(small, tmp_path, capsys):
    assert export(small, "tevatron", tmp_path / "out", "--rows", "triplets") == 1

    assert "--rows must be given for sentence-transformers alone, got 'tevatron'" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["sentence-transformers", "flagembedding", "tevatron", "beir"])
def test_what_exists_is_not_overwritten_and_a_damaged_version_is_refused_before_anything_is_written(
    small, tmp_path, capsys, layout
):
    (tmp_path / "out").mkdir()
    assert export(small, layout, tmp_path / "out") == 1
    assert "--out must not exist yet" in capsys.readouterr().err
    file = small / "stage2" / "part-0.parquet"
    file.write_bytes(file.read_bytes()[:-100])

    assert export(small, layout, tmp_path / "new") == 1

    error = capsys.readouterr().err
    assert "stage2/part-0.parquet must match its manifest" in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.glob("new*"))
