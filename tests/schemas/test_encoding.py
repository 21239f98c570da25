"""How a model directory reads texts is told by its small files alone, by one rule for every engine."""

import json

import pytest

from schemas.encoding import read_encoding
from schemas.errors import RecipeError

BERT = {"model_type": "bert", "max_position_embeddings": 512}
POOLING = [
    {"type": "sentence_transformers.models.Transformer", "path": ""},
    {"type": "a.b.Pooling", "path": "1_Pooling"},
]


def model_of(home, config=BERT, modules=POOLING, **files):
    home.mkdir(exist_ok=True)
    told = {"config.json": config, "modules.json": modules, **{f"{name}.json": value for name, value in files.items()}}
    for name, value in told.items():
        if value is not None:
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text(value if isinstance(value, str) else json.dumps(value))
    return home


@pytest.mark.parametrize(
    ("kind", "padding", "usable"),
    [
        ("bert", 0, 514),
        ("roberta", 1, 512),
        ("xlm-roberta", None, 512),
        ("camembert", 1, 512),
        ("mpnet", 1, 512),
        ("xlm-roberta", 0, 513),
    ],
)
def test_positions_below_the_padding_index_are_of_no_use(tmp_path, kind, padding, usable):
    config = {"model_type": kind, "max_position_embeddings": 514}
    home = model_of(tmp_path / "model", config if padding is None else {**config, "pad_token_id": padding})
    found = read_encoding(home)
    assert found.limit == usable
    assert found.faults(usable) == []
    assert found.faults(usable + 1) == [
        f"encoder.max_length must be at most {usable}, what model reads, got {usable + 1}"
    ]


@pytest.mark.parametrize(
    ("settings", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
        ({"pooling_mode": ["cls", "mean"]}, "cls+mean"),
        ({}, "mean"),
    ],
)
def test_pooling_is_what_the_pooling_module_says(tmp_path, settings, pooling):
    assert read_encoding(model_of(tmp_path, **{"1_Pooling/config": settings})).pooling == pooling


def test_a_plain_directory_of_transformers_is_refused_with_the_way_out(tmp_path):
    found = read_encoding(model_of(tmp_path / "plain", modules=None), field="train")
    assert found.pooling is None
    with pytest.raises(
        RecipeError, match=r"train\.model must be a model that says how it pools .*plain'; try .*Pooling"
    ):
        found.check(64, "train")


def test_prompts_are_the_models_own_unless_the_recipe_gives_others(tmp_path):
    home = model_of(tmp_path, config_sentence_transformers={"prompts": {"query": "query: ", "document": "passage: "}})
    own, given, none = read_encoding(home), read_encoding(home, "ask: "), read_encoding(home, "", "")
    assert (own.query_prefix, own.doc_prefix) == ("query: ", "passage: ")
    assert (given.query_prefix, given.doc_prefix) == ("ask: ", "passage: ")
    assert (none.query_prefix, none.doc_prefix) == ("", "")


def test_a_prompt_that_the_library_puts_before_no_document_is_put_before_none(tmp_path):
    home = model_of(tmp_path, config_sentence_transformers={"prompts": {"query": None, "passage": "passage: "}})
    assert (read_encoding(home).query_prefix, read_encoding(home).doc_prefix) == ("", "")


def test_a_model_that_pools_without_its_prompt_takes_none(tmp_path):
    home = model_of(tmp_path, **{"1_Pooling/config": {"pooling_mode": "mean", "include_prompt": False}})
    assert read_encoding(home).faults() == []
    assert len(read_encoding(home, "query: ").faults()) == 1


def test_the_length_that_a_directory_reads_is_its_own_setting_else_the_tokenizers(tmp_path):
    home = model_of(tmp_path, tokenizer_config={"model_max_length": 384})
    assert read_encoding(home).reads == 384
    model_of(tmp_path, sentence_bert_config={"max_seq_length": 256})
    assert read_encoding(home).reads == 256
    model_of(tmp_path, sentence_bert_config={}, tokenizer_config={"model_max_length": 1e30}, config={"model_type": "x"})
    assert (read_encoding(home).reads, read_encoding(home).limit) == (None, None)


def test_the_body_may_lie_in_the_folder_of_its_module(tmp_path):
    home = model_of(
        tmp_path, config=None, modules=[{"type": "x.Transformer", "path": "0_Body"}], **{"0_Body/config": BERT}
    )
    assert (read_encoding(home).limit, read_encoding(home).pooling) == (512, "")


def test_a_fault_names_the_setting_that_named_the_model(tmp_path):
    with pytest.raises(RecipeError, match=r"^label\.base must be a model directory"):
        read_encoding(tmp_path / "none", field="label", name="base")
    found = read_encoding(model_of(tmp_path / "plain", modules=None), field="label", name="base")
    assert found.length_faults(512, "label") == []  # a body for a cross-encoder pools nothing
    assert found.length_faults(513, "label") == ["label.max_length must be at most 512, what plain reads, got 513"]


def test_what_is_no_model_directory_is_said_in_one_line(tmp_path):
    for config in (None, "{", "[]", '{"a": "\\ud800"}' + "["):
        home = model_of(tmp_path, config=config)
        with pytest.raises(RecipeError, match=r"^encoder\.model must be a model") as raised:
            read_encoding(home)
        assert "\n" not in str(raised.value)
