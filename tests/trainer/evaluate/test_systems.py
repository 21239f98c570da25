"""Models and runs, measured side by side."""

import json

import pytest

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
        (["--model", "m=/no/such/model"], "model must be a directory"),
        (["--run", "r=x", "--baseline", "s"], "--baseline must be one of r, got 's'"),
        (["--run", "r=x", "--dimensions", "r=8"], "--dimensions must name a --model, got 'r'"),
    ],
)
def test_a_wrong_call_is_refused(evals, tmp_path, capfd, more, says):
    assert main(["evaluate", "--eval", str(evals), "--out", str(tmp_path / "r.json"), *more]) == 1

    assert says in capfd.readouterr().err
