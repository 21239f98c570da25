"""Evaluation sets and runs: what is damaged is named by file and line."""

import pytest

from trainer.__main__ import main
from trainer.evaluate.evalsets import read_run, read_set


def test_a_runs_order_is_by_score_then_id_whatever_its_ranks_say(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text("q Q0 b 1 1.0 t\nq Q0 c 2 3.0 t\nq Q0 a 3 1.0 t\n")

    assert read_run(str(path)) == {"q": [("c", 3.0), ("a", 1.0), ("b", 1.0)]}


def replace(name, text):
    def change(folder):
        (folder / name).write_bytes(text)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (replace("corpus.jsonl", b'{"_id": "a", "text": "\xff"}\n'), "corpus.jsonl:1 must be UTF-8"),
        (replace("corpus.jsonl", b'{"_id": "a", "text": "x"}\n{"_id": "b"'), "corpus.jsonl:2 must be a JSON object"),
        (replace("queries.jsonl", b'{"_id": [7], "text": "x"}\n'), "queries.jsonl:1 must be a JSON object"),
        (replace("queries.jsonl", b'["a"]\n'), "queries.jsonl:1 must be a JSON object"),
        (
            replace("qrels/test.tsv", b"query-id\tcorpus-id\tscore\na b c\n"),
            "test.tsv:2 the line must be query id, document id and grade between tabs",
        ),
        (replace("qrels/test.tsv", b"q\td\t1_0\n"), "test.tsv:1 the grade must be a number such as 2, 0.5 or -1"),
        (replace("qrels/test.tsv", b"q\td\t1\nq\td\tnan\n"), "test.tsv:2 the grade must be a number"),
        (replace("qrels/test.tsv", b"q\td\t1\t9\n"), "test.tsv:1 the line must be query id, document id and grade"),
        (replace("qrels/test.tsv", b"query-id\tcorpus-id\tscore\n"), "at least one query with a relevant document"),
        (lambda folder: (folder / "qrels/test.tsv").unlink(), "test.tsv cannot be read: No such file"),
    ],
)
def test_a_damaged_set_is_named_by_file_and_line(evals, tiny_model, tmp_path, capfd, change, says):
    change(evals / "docs")

    command = ["evaluate", "--eval", str(evals), "--model", f"m={tiny_model}", "--out", str(tmp_path / "r.json")]
    assert main(command) == 1

    error = capfd.readouterr().err
    assert says in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "r.json").exists()


def test_a_damaged_run_is_named_by_line(evals, tmp_path, capfd):
    (tmp_path / "run").write_text("q Q0 d 1 0.5 t\nq Q0 d\n")

    command = ["evaluate", "--eval", str(evals), "--run", f"r={tmp_path / 'run'}", "--out", str(tmp_path / "r.json")]
    assert main(command) == 1

    assert "run:2 must be `qid Q0 docid rank score tag`" in capfd.readouterr().err


def small(folder, qrels):
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": 10, "text": "a \\ud800"}\n{"_id": "11", "title": "t", "text": "b"}\n')
    (folder / "queries.jsonl").write_text('{"_id": 1, "text": "q"}\n{"_id": 2, "text": "r"}\n')
    (folder / "qrels" / "test.tsv").write_text(qrels)
    return read_set(folder)


@pytest.mark.parametrize(
    "qrels",
    [
        "1\t10\t1\n2\t11\t2\n",
        "query-id\tcorpus-id\tscore\n1\t10\t1\n2\t11\t2\n",
        "\ufeffQuery-ID\tDoc-ID\tRelevance\n1\t10\t1.0\n2\t11\t2\n",
        "1 0 10 1\n2 0 11 2\n",
        "1\t0\t10\t1\n2\t0\t11\t2\n",
    ],
)
def test_judgements_are_read_with_any_header_or_none_and_in_trecs_columns(tmp_path, qrels):
    found = small(tmp_path / "set", qrels)

    assert found.qrels == {"1": {"10": 1}, "2": {"11": 2}}
    assert (found.doc_ids, found.doc_texts) == (["10", "11"], ["a ?", "t b"])


def test_judgements_that_say_nothing_are_counted(tmp_path):
    found = small(tmp_path / "set", "1\t10\t0.5\n1\t10\t2\n9\t10\t1\n2\t99\t1\n2\t11\t1\n")

    assert found.qrels["1"] == {"10": 2}
    assert found.judgements == {"repeated": 1, "rounded": 1, "unknown_documents": 1, "unknown_queries": 1}
