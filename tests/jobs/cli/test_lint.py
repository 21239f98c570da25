"""``pairwright lint``: a table, JSON, a cleaned copy, and a status that says whether faults were found."""

import json

import pytest

from jobs.cli.lint import FOUND
from jobs.cli.main import main
from tests.pipeline.lint.sets import make_rows, write_jsonl


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["lint", *map(str, arguments)])
    printed = capsys.readouterr()
    return end.value.code or 0, " ".join(printed.out.split()), printed.err


@pytest.fixture(autouse=True)
def no_model(monkeypatch, tmp_path):
    monkeypatch.setenv("PAIRWRIGHT_MODELS", str(tmp_path / "no-models"))


@pytest.fixture
def faulty(tmp_path):
    rows = make_rows(5)
    rows[4]["neg"][0] = rows[4]["pos"][0]
    return write_jsonl(tmp_path / "faulty.jsonl", rows)


def test_a_sound_set_ends_with_0_and_a_faulty_one_does_not(tmp_path, capsys, faulty):
    sound = write_jsonl(tmp_path / "sound.jsonl", make_rows(5))

    status, out, _ = run(capsys, sound)
    assert (status, "nothing found" in out) == (0, True)
    status, out, _ = run(capsys, faulty)
    assert status == FOUND
    assert f"{faulty}:5" in out
    assert "positive_as_negative" in out
    assert run(capsys, faulty, "--ignore", "positive_as_negative")[0] == 0


def test_json_has_every_kind_and_where(capsys, faulty):
    _, out, _ = run(capsys, faulty, "--json")
    told = json.loads(out)

    found = {each["kind"]: each for each in told["findings"] if each["count"]}
    assert set(found) == {"positive_as_negative"}
    assert found["positive_as_negative"]["places"][0]["at"] == f"{faulty}:5"
    assert (told["rows"], told["faults"]) == (5, 1)


def test_a_cleaned_copy_is_clean_and_is_not_written_over(tmp_path, capsys, faulty):
    status, out, _ = run(capsys, faulty, "--fix", tmp_path / "out")
    assert (status, "5 rows; 1 single text taken out" in out) == (FOUND, True)
    assert run(capsys, tmp_path / "out" / "faulty.jsonl", "--ignore", "uneven_negatives")[0] == 0

    status, _, err = run(capsys, faulty, "--fix", tmp_path / "out")
    assert (status, "--fix must be a folder that is not there yet" in err) == (1, True)


def test_evaluation_sets_may_not_leak(tmp_path, capsys):
    rows = make_rows(6)
    exam = tmp_path / "exam"
    (exam / "qrels").mkdir(parents=True)
    (exam / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": rows[2]["query"].upper()}) + "\n")
    (exam / "corpus.jsonl").write_text(json.dumps({"_id": "d", "title": "", "text": rows[3]["neg"][1]}) + "\n")
    (exam / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    train = write_jsonl(tmp_path / "train.jsonl", rows)

    status, out, _ = run(capsys, train, "--against", exam)

    assert status == FOUND
    assert f"{train}:3 query is nearly exam/q" in out
    assert f"{train}:4 neg[1] is exam/d" in out
    status, _, err = run(capsys, train, "--against", exam, "--split", "dev")
    assert (status, "--split must be one of test" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.jsonl"], "FILE must be files that are there"),
        (["FILE", "--set", "near=2"], "--set.near must be between 0.3 and 1.0"),
        (["FILE", "--set", "neer=0.5"], "near"),
        (["FILE", "--layout", "tevatron"], "rows of the layout tevatron"),
        (["FILE", "--columns", "a,b"], "--columns must be"),
    ],
)
def test_wrong_arguments_are_told_with_a_way_out(capsys, faulty, arguments, said):
    status, _, err = run(capsys, *(str(faulty) if each == "FILE" else each for each in arguments))

    assert (status, said in err) == (1, True), err


def test_a_page_shows_what_was_found_and_escapes_it(tmp_path, capsys):
    rows = make_rows(5)
    rows[2]["query"] = "<script>alert(1)</script> is a query of some words"
    rows[2]["pos"] = [f"{rows[2]['pos'][0]} {rows[2]['query']}"]
    page = tmp_path / "page.html"

    run(capsys, write_jsonl(tmp_path / "t.jsonl", rows), "--report", page)

    text = page.read_text()
    assert "query_in_positive" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>" not in text
    assert "Not looked for: leak" in text


def test_a_model_that_is_named_must_be_there(capsys, faulty):
    status, _, err = run(capsys, faulty, "--model", "no-such")

    assert (status, "--model must be the directory of a sentence-transformers model" in err) == (1, True)
    status, out, _ = run(capsys, faulty)
    assert "not looked for: easy_negative: the model all-MiniLM-L6-v2 is not in" in out
