"""What a cross-encoder's files say of its scores, and which models score no pairs."""

import json

import pytest

from schemas.errors import RecipeError
from schemas.head import RAW_WIDTH, Head, read_head

BERT = {"architectures": ["BertForSequenceClassification"]}
ONE = {**BERT, "id2label": {"0": "LABEL_0"}}


@pytest.fixture
def model(tmp_path):
    def write(config, weights="model.safetensors", **files):
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / weights).write_bytes(b"")
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("config", "head"),
    [
        (ONE, Head()),
        ({**BERT, "num_labels": 1}, Head()),
        ({**ONE, "sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, Head()),
        (
            {**ONE, "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
            Head(scale=RAW_WIDTH),
        ),
        ({**ONE, "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, Head(scale=RAW_WIDTH)),
        (BERT, Head(1, 0)),  # transformers write no labels where there are two of them without a name
        ({**BERT, "id2label": {"0": "relevant", "1": "irrelevant"}}, Head(0, 1)),
        ({**BERT, "id2label": {"0": "not_duplicate", "1": "duplicate"}}, Head(1, 0)),
    ],
)
def test_the_head_is_read_from_the_files(model, config, head):
    assert read_head(model(config)) == head


def test_an_output_named_beside_the_configuration_counts_too(model):
    beside = {"activation_fn": "torch.nn.modules.linear.Identity"}
    assert read_head(model(ONE, config_sentence_transformers=beside)) == Head(scale=RAW_WIDTH)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"architectures": ["BertModel"]}, r"must be a model with a head that scores pairs .*\(BertModel\)"),
        ({"architectures": ["Qwen3ForCausalLM"]}, r"head that scores pairs .*\(Qwen3ForCausalLM\)"),
        ({}, r"head that scores pairs .*\(names none\)"),
        ({"architectures": 3}, r"head that scores pairs .*\(names none\)"),
        ({**BERT, "id2label": {"0": "a", "1": "b", "2": "c"}}, "one label or two .* with 3"),
        (
            {**ONE, "sentence_transformers": {"activation_fn": "my.Own"}},
            r"a sigmoid or the logit itself, got .*\(Own\)",
        ),
        ([], "files are JSON objects"),
    ],
)
def test_a_model_that_scores_no_pairs_is_refused_with_the_setting_that_names_it(model, config, fault):
    with pytest.raises(RecipeError, match=rf"label\.model must be .*{fault.removeprefix('must be ')}"):
        read_head(model(config))


def test_weights_in_pickles_and_missing_or_broken_files_are_refused(model, tmp_path):
    with pytest.raises(RecipeError, match="whose weights are in safetensors"):
        read_head(model(ONE, weights="pytorch_model.bin"))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RecipeError, match="whose files are JSON"):
        read_head(tmp_path)
    with pytest.raises(RecipeError, match=r"label\.model must be a model directory with a config\.json"):
        read_head(tmp_path / "none")
