"""The point of it all: a short training on real docstrings makes the real MiniLM better at held-out ones."""

import json

import pytest

from trainer.__main__ import main


@pytest.mark.engine
def test_training_raises_ndcg_on_held_out_docstrings(minilm, pairs, publish, row, beir, settings, tmp_path):
    held_out, shown = pairs[:120], pairs[120:280]  # in the order of the walk: other modules, mostly other packages
    rows = [row(query, text) for _, query, text in shown]
    dataset = publish(tmp_path / "dataset", {1: [rows[at : at + 32] for at in range(0, 160, 32)]})
    beir(tmp_path / "eval" / "held_out", held_out)
    config = settings(
        max_length=48,
        dimensions=[384, 128],
        precision="auto",
        dropout=False,
        stage={"epochs": 1, "learning_rate": 5e-5, "mini_batch": 64, "gradient_cache": False},
    )

    assert (
        main(
            [
                "train",
                "--dataset",
                str(dataset),
                "--stage",
                "1",
                "--model",
                str(minilm),
                "--config",
                str(config),
                "--out",
                str(tmp_path / "tuned"),
            ]
        )
        == 0
    )
    assert (
        main(
            [
                "evaluate",
                "--eval",
                str(tmp_path / "eval"),
                "--model",
                f"base={minilm}",
                "--model",
                f"tuned={tmp_path / 'tuned'}",
                "--out",
                str(tmp_path / "r.json"),
                "--max-length",
                "48",
            ]
        )
        == 0
    )

    systems = json.loads((tmp_path / "r.json").read_text())["systems"]
    base, tuned = (systems[name]["held_out"]["all"]["ndcg@10"] for name in ("base", "tuned"))
    assert tuned > base
