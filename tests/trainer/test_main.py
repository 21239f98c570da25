"""The train command as a caller sees it: a complete model or one clear line."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense

from schemas.errors import EngineError
from schemas.training import TrainConfig
from trainer.__main__ import main
from trainer.loop import Request, train

REPOSITORY = Path(__file__).parents[2]


def arguments(dataset, model, config, out, stage=1):
    return [
        "train",
        "--dataset",
        str(dataset),
        "--stage",
        str(stage),
        "--model",
        str(model),
        "--config",
        str(config),
        "--out",
        str(out),
    ]


@pytest.fixture(autouse=True)
def global_switches():
    """Put back what training sets for its process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=False)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_run_ends_in_a_model_that_loads_with_its_card_and_its_log(
    dataset, tiny_model, settings, tmp_path, capsys, stage
):
    out = tmp_path / "model"

    assert main(arguments(dataset, tiny_model, settings(), out, stage)) == 0

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["step"] for line in lines[:-1]] == list(range(1, 13))
    assert set(lines[0]) == {"step", "steps", "loss", "lr", "examples", "seconds"}
    assert lines[-2]["examples"] == 96
    assert lines[-1]["done"]["steps"] == 12
    assert lines[-2]["loss"] < lines[0]["loss"]
    model = SentenceTransformer(str(out), device="cpu")
    assert model.max_seq_length == 48
    assert model.encode(["one text"]).shape == (1, 32)
    assert float((model.encode(["one text"]) ** 2).sum()) == pytest.approx(1.0, abs=1e-5)
    card = (out / "README.md").read_text()
    assert "base_model: tiny" in card
    assert "toy@v1" in card
    assert len((out / "training.jsonl").read_text().splitlines()) == 12
    assert not (tmp_path / "model.partial").exists()


@pytest.mark.parametrize("loss", ["cosent", "triplet", "margin_mse"])
def test_the_other_losses_train_with_refreshed_negatives(dataset, tiny_model, settings, tmp_path, loss):
    config = settings(stage={"loss": loss, "refresh_steps": 2, "epochs": 1, "refresh_guard": 2.0})

    assert main(arguments(dataset, tiny_model, config, tmp_path / "model", stage=2)) == 0

    summary = json.loads((tmp_path / "model" / "training.json").read_text())
    assert summary["steps"] == 6


def test_a_run_killed_and_resumed_gives_the_bytes_of_an_undisturbed_one(dataset, tiny_model, settings, tmp_path):
    config = settings(stage={"refresh_steps": 3, "refresh_guard": 2.0, "epochs": 2}, checkpoint_steps=4)
    whole, cut = tmp_path / "whole" / "model", tmp_path / "cut" / "model"
    assert main(arguments(dataset, tiny_model, config, whole, stage=2)) == 0
    command = [sys.executable, "-m", "trainer", *arguments(dataset, tiny_model, config, cut, stage=2)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if json.loads(line)["step"] == 6:  # two steps after the checkpoint of step 4
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL
    assert not cut.exists()

    assert main([*command[3:], "--resume"]) == 0

    for name in ("model.safetensors", "README.md"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    logs = [
        [{**json.loads(line), "seconds": 0} for line in (path / "training.jsonl").read_text().splitlines()]
        for path in (whole, cut)
    ]
    assert logs[0] == logs[1]


def test_a_finished_run_is_not_taken_again(dataset, tiny_model, settings, tmp_path, capsys):
    command = arguments(dataset, tiny_model, settings(stage={"epochs": 1}), tmp_path / "model")
    assert main(command) == 0
    weights = (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns
    capsys.readouterr()

    assert main([*command, "--resume"]) == 0
    assert (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns == weights
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main(command) == 1
    assert "--out must not exist yet" in capsys.readouterr().err


def interrupt_at(step, request):
    def stop(record):
        if record["step"] == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(request, stop)


@pytest.fixture
def stopped(dataset, tiny_model, settings, tmp_path):
    """A run that was stopped after its first checkpoint."""
    plain = json.loads(settings().read_text())
    request = Request(str(dataset), 1, str(tiny_model), TrainConfig.from_mapping(plain), tmp_path / "model")
    interrupt_at(5, request)
    return request


def test_a_checkpoint_of_other_settings_is_refused(stopped, dataset, tiny_model, settings, tmp_path, capsys):
    other = settings("other.json", seed=99)

    assert main([*arguments(dataset, tiny_model, other, tmp_path / "model"), "--resume"]) == 1

    assert "--resume must continue the same run" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_named(stopped, dataset, tiny_model, settings, tmp_path, capsys):
    (weights,) = (tmp_path / "model.partial").glob("step-*/optimizer.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])

    assert main([*arguments(dataset, tiny_model, settings(), tmp_path / "model"), "--resume"]) == 1

    assert "step-00000004 is damaged" in capsys.readouterr().err


def model_of_nan(given, tmp_path):
    path = shutil.copytree(given["model"], tmp_path / "nan")
    weights = load_file(path / "model.safetensors")
    name = next(key for key in weights if key.endswith("word_embeddings.weight"))
    save_file({**weights, name: weights[name] * float("nan")}, path / "model.safetensors", metadata={"format": "pt"})
    return {"model": path}


def truncated_model(given, tmp_path):
    path = shutil.copytree(given["model"], tmp_path / "broken")
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return {"model": path}


def short_model(given, tmp_path):
    path = shutil.copytree(given["model"], tmp_path / "short")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "model_type": "roberta", "pad_token_id": 33}))
    return {"model": path}


def plain_model(given, tmp_path):
    path = shutil.copytree(given["model"], tmp_path / "plain")
    (path / "modules.json").unlink()
    return {"model": path}


def wide_model(given, tmp_path):
    path = shutil.copytree(given["model"], tmp_path / "wide")
    SentenceTransformer(
        modules=[*SentenceTransformer(str(path), device="cpu"), Dense(64, 16)], device="cpu"
    ).save_pretrained(str(path))
    return {"model": path}


def text_as_config(given, tmp_path):
    (tmp_path / "broken.json").write_text("epochs: 3")
    return {"config": tmp_path / "broken.json"}


CASES = {
    "no model": (lambda given, tmp: {"model": tmp / "nowhere"}, "train.model must be a model directory"),
    "damaged model": (truncated_model, "broken cannot be loaded"),
    "a model that counts positions from its padding on": (
        short_model,
        "train.max_length must be at most 30, what short reads, got 32",
    ),
    "a model that does not say how it pools": (plain_model, "train.model must be a model that says how it pools"),
    "modules that do not fit together": (wide_model, "wide gives no vectors"),
    "no dataset": (lambda given, tmp: {"dataset": tmp / "nowhere"}, "dataset must be a published dataset"),
    "no config": (lambda given, tmp: {"config": tmp / "nowhere.json"}, "--config must be a readable JSON file"),
    "config is no JSON": (text_as_config, "--config must be a readable JSON file"),
    "unknown setting": (lambda given, tmp: {"config": given["settings"](speed=1)}, "speed must be one of the known"),
    "width": (
        lambda given, tmp: {"config": given["settings"](dimensions=[64])},
        "dimensions must be at most the model's 32",
    ),
    "no epochs": (
        lambda given, tmp: {"config": given["settings"](stage={"epochs": 0})},
        "stage1.epochs must be at least 1",
    ),
    "no teacher": (
        lambda given, tmp: {"config": given["settings"](stage={"loss": "margin_mse"})},
        "must have teacher scores",
    ),
    "not a number": (model_of_nan, "loss nan, gradient norm nan at step 1 (batch "),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_in_one_line(dataset, tiny_model, settings, tmp_path, capfd, case):
    change, says = CASES[case]
    given = {"dataset": dataset, "model": tiny_model, "config": settings()}
    given |= change({**given, "settings": settings}, tmp_path)

    assert main(arguments(given["dataset"], given["model"], given["config"], tmp_path / "model")) == 1

    error = capfd.readouterr().err
    assert says in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "model").exists()


def test_a_full_gpu_names_the_way_out(dataset, tiny_model, settings, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("trainer.loop.backward", full)
    config = TrainConfig.from_mapping(json.loads(settings().read_text()))

    with pytest.raises(EngineError, match="out of GPU memory at step 1 with mini_batch 8; try a smaller mini_batch"):
        train(Request(str(dataset), 1, str(tiny_model), config, tmp_path / "model"), lambda record: None)


def test_what_a_library_raises_is_one_line_with_its_place(dataset, tiny_model, settings, tmp_path, monkeypatch, capfd):
    def fail(*args, **kwargs):
        raise IndexError("index out of range\nin self")

    monkeypatch.setattr("trainer.loop.backward", fail)

    assert main(arguments(dataset, tiny_model, settings(), tmp_path / "model")) == 1

    error = capfd.readouterr().err
    assert "error: IndexError at loop.py:" in error
    assert error.rstrip().endswith("index out of range in self; try other files, or a smaller batch")
    assert len(error.splitlines()) == 1


def test_a_closed_pipe_makes_no_failure_of_what_is_done(dataset, tiny_model, settings, tmp_path, monkeypatch):
    said = []

    class Pipe:
        def write(self, text):
            said.append(text)
            if '"done"' in text:
                raise BrokenPipeError

        def flush(self):
            pass

    monkeypatch.setattr("sys.stdout", Pipe())

    assert main(arguments(dataset, tiny_model, settings(stage={"max_steps": 1}), tmp_path / "model")) == 0

    assert any('"done"' in text for text in said)
    assert (tmp_path / "model" / "model.safetensors").is_file()


def prompts_of(model):
    return json.loads((model / "config_sentence_transformers.json").read_text())["prompts"]


@pytest.mark.parametrize(
    ("of_recipe", "given", "kept"),
    [
        ({}, [], {"query": "q: ", "document": "d: "}),  # the model's own
        ({"query_prefix": "ask: ", "doc_prefix": None}, [], {"query": "ask: ", "document": "d: "}),
        ({"query_prefix": "ask: "}, ["--query-prefix=", "--doc-prefix=doc "], {"query": "", "document": "doc "}),
    ],
)
def test_a_model_is_trained_and_saved_with_the_words_of_the_recipe_else_its_own(
    dataset, tiny_model, settings, tmp_path, monkeypatch, of_recipe, given, kept
):
    seen = set()
    model = shutil.copytree(tiny_model, tmp_path / "prompted")
    config = json.loads((model / "config_sentence_transformers.json").read_text())
    config["prompts"] = {"query": "q: ", "document": "d: "}
    (model / "config_sentence_transformers.json").write_text(json.dumps(config))
    mined = shutil.copytree(dataset, tmp_path / "mined")
    manifest = json.loads((mined / "manifest.json").read_text())
    (mined / "manifest.json").write_text(json.dumps({**manifest, "recipe": {"encoder": of_recipe}}))
    real = SentenceTransformer.preprocess
    monkeypatch.setattr(
        SentenceTransformer,
        "preprocess",
        lambda self, texts, prompt=None, **more: seen.add(prompt) or real(self, texts, prompt=prompt, **more),
    )
    short = settings(stage={"max_steps": 1})

    assert main([*arguments(mined, model, short, tmp_path / "model"), *given]) == 0

    assert seen == {kept["query"] or None, kept["document"]}
    assert prompts_of(tmp_path / "model") == kept
    summary = json.loads((tmp_path / "model" / "training.json").read_text())
    assert summary["prompts"] == kept


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["train", "--stage", "3"], "error: argument --stage: invalid choice"),
        (["export", "--dataset", "d", "--out", "o"], "error: the following arguments are required: --format"),
        (["trian"], "error: argument COMMAND: invalid choice"),
    ],
)
def test_arguments_that_are_wrong_are_one_line(capsys, command, says):
    with pytest.raises(SystemExit) as ended:
        main(command)

    error = capsys.readouterr().err
    assert (ended.value.code, says in error, len(error.splitlines())) == (2, True, 1)


def test_no_arguments_is_a_call_for_help(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])

    assert ended.value.code == 0
    assert "teach" in capsys.readouterr().out
