"""Models and runs, measured side by side."""

import json
import shutil

import pytest
from sentence_transformers import SentenceTransformer

from schemas.errors import RecipeError
from schemas.training import EvaluateConfig
from trainer.__main__ import main
from trainer.evaluate.evalsets import read_set
from trainer.evaluate.metrics import METRICS
from trainer.evaluate.systems import Request, evaluate
from trainer.evaluate.table import format_table


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


def test_bf16_measures_what_fp32_measures(evals, tiny_model):
    results = [
        evaluate(
            Request(str(evals), {"m": str(tiny_model)}, config=EvaluateConfig(precision=precision, resamples=100)),
            lambda record: None,
        )["systems"]["m"]["docs"]["all"]["ndcg@10"]
        for precision in ("fp32", "bf16")
    ]

    assert results[0] == pytest.approx(results[1], abs=0.03)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "at least one --model or --run must be given"),
        (["--model", "m"], "--model must be NAME=VALUE"),
        (["--run", "r=/no/such/run"], "--run must be a TREC run file"),
        (["--model", "m=/no/such/model"], "evaluate.model must be a model directory"),
        (["--run", "r=x", "--baseline", "s"], "--baseline must be one of r, got 's'"),
        (["--run", "r=x", "--dimensions", "r=8"], "--dimensions must name a --model, got 'r'"),
        (["--run", "r=/no/such/run", "--model", "m=/no/such/model"], "--run must be a TREC run file"),
    ],
)
def test_a_wrong_call_is_refused(evals, tmp_path, capfd, more, says):
    assert main(["evaluate", "--eval", str(evals), "--out", str(tmp_path / "r.json"), *more]) == 1

    assert says in capfd.readouterr().err


@pytest.fixture
def arguments_set(tmp_path):
    """Two queries that are documents too, each answered by another document; one is judged to answer itself."""
    folder = tmp_path / "arguments"
    (folder / "qrels").mkdir(parents=True)
    texts = {"a": "cars should leave the city", "b": "shops need the cars", "c": "homework is good", "d": "play more"}
    for name, ids in (("corpus", "abcd"), ("queries", "ac")):
        lines = [json.dumps({"_id": each, "text": texts[each]}) for each in ids]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\na\tb\t1\nc\tc\t1\n")
    return folder


def test_a_query_that_is_a_document_is_no_hit_of_itself_unless_it_is_judged_one(arguments_set, tiny_model, tmp_path):
    run = tmp_path / "run"
    run.write_text("a Q0 a 1 3 t\na Q0 b 2 2 t\nc Q0 c 1 3 t\nc Q0 d 2 2 t\n")
    request = Request(str(arguments_set), {"m": str(tiny_model)}, {"r": str(run)}, {"m": [16]}, "r")

    result = evaluate(request, lambda record: None)

    assert result["systems"]["r"]["arguments"]["all"]["ndcg@10"] == 1.0
    assert result["left_out"] == {name: {"arguments": 1} for name in ("m", "m@16", "r")}
    assert "left out, hits that are the query itself: m 1, m@16 1, r 1" in format_table(result)


def test_the_hit_that_is_left_out_makes_room_for_the_next(arguments_set, tmp_path):
    others = "".join(f"a Q0 x{at} {at} {50 - at} t\n" for at in range(9))
    (tmp_path / "run").write_text(f"a Q0 a 0 99 t\n{others}a Q0 b 10 1 t\n")
    request = Request(str(arguments_set), {}, {"r": str(tmp_path / "run")}, config=EvaluateConfig(depth=10))

    result = evaluate(request, lambda record: None)

    assert result["systems"]["r"]["arguments"]["all"]["mrr@10"] == pytest.approx(1 / 10 / 2)


def test_prefixes_that_are_given_stand_before_the_texts_of_every_model(evals, tiny_model, monkeypatch):
    seen = set()
    real = SentenceTransformer.preprocess
    monkeypatch.setattr(
        SentenceTransformer,
        "preprocess",
        lambda self, texts, prompt=None, **more: seen.add(prompt) or real(self, texts, prompt=prompt, **more),
    )
    request = Request(str(evals), {"m": str(tiny_model)}, query_prefix="ask: ", doc_prefix="passage: ")

    evaluate(request, lambda record: None)

    assert seen == {"ask: ", "passage: "}


def test_no_model_is_asked_for_more_tokens_than_it_can_tell_apart(evals, tiny_model, tmp_path):
    model = shutil.copytree(tiny_model, tmp_path / "short")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 64}))

    result = evaluate(Request(str(evals), {"m": str(model)}, max_length=512), lambda record: None)

    assert result["systems"]["m"]["docs"]["all"]["queries"] == 40


def test_more_dimensions_than_the_model_has_are_refused(evals, tiny_model):
    with pytest.raises(RecipeError, match="--dimensions must be between 1 and the 32 of the model m, got 64"):
        evaluate(Request(str(evals), {"m": str(tiny_model)}, dimensions={"m": [64]}), lambda record: None)
