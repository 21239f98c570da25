import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.training import EvaluateConfig
from trainer.__main__ import main
from trainer.evaluate.evalsets import read_run, read_set
from trainer.evaluate.evaluate import Request, evaluate, format_table
from trainer.evaluate.metrics import METRICS, bootstrap_interval, score_query
from trainer.evaluate.search import top_k


def reference(hits, grades):
    """nDCG@10, Recall@5, Recall@100 and MRR@10 as trec_eval defines them, written the long way."""
    dcg = sum(grades.get(doc, 0) / math.log2(place + 2) for place, doc in enumerate(hits) if place < 10)
    ideal = sum(grade / math.log2(place + 2) for place, grade in enumerate(sorted(grades.values())[::-1]) if place < 10)
    relevant = {doc for doc, grade in grades.items() if grade}
    places = [place for place, doc in enumerate(hits[:10], 1) if doc in relevant]
    return (
        dcg / ideal,
        len(relevant & set(hits[:5])) / len(relevant),
        len(relevant & set(hits[:100])) / len(relevant),
        1 / places[0] if places else 0,
    )


@given(st.permutations(range(30)), st.dictionaries(st.integers(0, 40), st.integers(0, 3), min_size=1))
def test_metrics_agree_with_the_reference(order, grades):
    judged = {str(doc): grade for doc, grade in grades.items()} | {"must": 1}
    hits = [str(doc) for doc in order]

    assert score_query(hits, judged) == pytest.approx(reference(hits, judged))


@pytest.mark.parametrize(("query_chunk", "doc_chunk"), [(1, 3), (4, 7), (256, 16_384)])
def test_search_is_exact_and_gives_ties_to_the_smaller_number_however_it_is_cut(query_chunk, doc_chunk):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    vectors[20:] = vectors[:20]  # every document has a twin
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[:9]
    scores = np.round(queries.astype(np.float64) @ vectors.T, 6)
    wanted = [sorted(range(40), key=lambda doc: (-row[doc], doc))[:12] for row in scores]

    assert top_k(queries, vectors, 12, query_chunk=query_chunk, doc_chunk=doc_chunk).tolist() == wanted


def test_fewer_documents_than_asked_for_are_all_returned():
    assert top_k(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), 100).shape == (3, 3)


def test_the_interval_is_the_percentile_bootstrap_of_the_mean():
    gaps = np.random.default_rng(1).normal(0.02, 0.1, size=(400, 2))
    rng = np.random.default_rng(2)
    means = np.array([gaps[rng.integers(400, size=400)].mean(axis=0) for _ in range(2000)])

    low, high = bootstrap_interval(gaps, 4000, seed=5)

    assert low == pytest.approx(np.quantile(means, 0.025, axis=0), abs=1.5e-3)
    assert high == pytest.approx(np.quantile(means, 0.975, axis=0), abs=1.5e-3)
    assert np.array_equal(low, bootstrap_interval(gaps, 4000, seed=5)[0])


@pytest.fixture
def evals(tmp_path, beir, pairs):
    beir(tmp_path / "eval" / "docs", pairs[:40])
    return tmp_path / "eval"


def run_file(path, evalset, hits):
    lines = [
        f"{query} Q0 {doc} {rank} {score} tag"
        for query in evalset.query_ids
        for rank, (doc, score) in enumerate(hits(query), 1)
    ]
    path.write_text("\n".join(lines))
    return path


def test_models_and_runs_are_measured_side_by_side(evals, tiny_model, tmp_path, capfd):
    docs = read_set(evals / "docs")
    perfect = run_file(tmp_path / "perfect.trec", docs, lambda query: [(next(iter(docs.qrels[query])), 2.0)])
    nothing = run_file(tmp_path / "nothing.trec", docs, lambda query: [("absent", 1.0)])
    out = tmp_path / "result.json"

    status = main(
        [
            "evaluate",
            "--eval",
            str(evals),
            "--model",
            f"tiny={tiny_model}",
            "--run",
            f"perfect={perfect}",
            "--run",
            f"nothing={nothing}",
            "--dimensions",
            "tiny=16,8",
            "--baseline",
            "nothing",
            "--out",
            str(out),
            "--max-length",
            "32",
        ]
    )

    assert status == 0
    result = json.loads(out.read_text())
    assert list(result["systems"]) == ["tiny", "tiny@16", "tiny@8", "perfect", "nothing"]
    assert result["systems"]["perfect"]["docs"]["all"] == {**dict.fromkeys(METRICS, 1.0), "queries": 40}
    assert result["systems"]["nothing"]["docs"]["all"] == {**dict.fromkeys(METRICS, 0.0), "queries": 40}
    domains = result["systems"]["tiny"]["docs"]["domains"]
    total = sum(means["ndcg@10"] * means["queries"] for means in domains.values())
    assert total / 40 == pytest.approx(result["systems"]["tiny"]["docs"]["all"]["ndcg@10"], abs=1e-5)
    gap = next(
        row
        for row in result["differences"]
        if (row["system"], row["domain"], row["metric"]) == ("perfect", "all", "ndcg@10")
    )
    assert (gap["difference"], gap["low"], gap["high"]) == (1.0, 1.0, 1.0)
    shown = capfd.readouterr().err
    assert format_table(result) in shown
    assert "+1.0000 [+1.0000, +1.0000]" in shown


def test_a_runs_order_is_by_score_then_id_whatever_its_ranks_say(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text("q Q0 b 1 1.0 t\nq Q0 c 2 3.0 t\nq Q0 a 3 1.0 t\n")

    assert read_run(str(path)) == {"q": [("c", 3.0), ("a", 1.0), ("b", 1.0)]}


def test_bf16_measures_what_fp32_measures(evals, tiny_model):
    results = [
        evaluate(
            Request(str(evals), {"m": str(tiny_model)}, config=EvaluateConfig(precision=precision, resamples=100)),
            lambda record: None,
        )["systems"]["m"]["docs"]["all"]["ndcg@10"]
        for precision in ("fp32", "bf16")
    ]

    assert results[0] == pytest.approx(results[1], abs=0.03)


def replace(name, text):
    def change(folder):
        (folder / name).write_bytes(text)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (replace("corpus.jsonl", b'{"_id": "a", "text": "\xff"}\n'), "corpus.jsonl:1 must be UTF-8"),
        (replace("corpus.jsonl", b'{"_id": "a", "text": "x"}\n{"_id": "b"'), "corpus.jsonl:2 must be a JSON object"),
        (replace("queries.jsonl", b'{"_id": 7, "text": "x"}\n'), "queries.jsonl:1 must be a JSON object"),
        (replace("queries.jsonl", b'["a"]\n'), "queries.jsonl:1 must be a JSON object"),
        (replace("qrels/test.tsv", b"query-id\tcorpus-id\tscore\na b c\n"), "test.tsv:2 must be `query-id<TAB>"),
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


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "at least one --model or --run must be given"),
        (["--model", "m"], "--model must be NAME=VALUE"),
        (["--run", "r=/no/such/run"], "--run must be a TREC run file"),
        (["--model", "m=/no/such/model"], "model must be a directory"),
        (["--run", "r=x", "--baseline", "s"], "--baseline must be one of r, got 's'"),
        (["--run", "r=x", "--dimensions", "r=8"], "--dimensions must name a --model, got 'r'"),
    ],
)
def test_a_wrong_call_is_refused(evals, tmp_path, capfd, more, says):
    assert main(["evaluate", "--eval", str(evals), "--out", str(tmp_path / "r.json"), *more]) == 1

    assert says in capfd.readouterr().err


def test_a_damaged_run_is_named_by_line(evals, tmp_path, capfd):
    (tmp_path / "run").write_text("q Q0 d 1 0.5 t\nq Q0 d\n")

    command = ["evaluate", "--eval", str(evals), "--run", f"r={tmp_path / 'run'}", "--out", str(tmp_path / "r.json")]
    assert main(command) == 1

    assert "run:2 must be `qid Q0 docid rank score tag`" in capfd.readouterr().err
