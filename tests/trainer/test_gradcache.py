import pytest
import torch

from schemas.training import TrainConfig
from trainer.batches import collate
from trainer.gradcache import backward
from trainer.losses.matryoshka import build_loss
from trainer.models.bi_encoder import DOCUMENT, encode, load_model, split_by_length, tokenise
from trainer.shards import Dataset

CPU = torch.device("cpu")
CONFIG = TrainConfig(dimensions=(32, 16))


@pytest.fixture
def batch(dataset):
    examples = Dataset(str(dataset)).stage(2).read(0)
    return collate(examples, [[0, 1] for _ in examples])


def gradients(path, batch, mini_batch, cached):
    model = load_model(path, CPU).train()
    loss = build_loss(CONFIG, CONFIG.stage2)
    value = backward(model, batch, loss, mini_batch=mini_batch, cached=cached, bf16=False, seed="s")
    return value, {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("mini_batch", [1, 5, 64])
def test_the_cached_gradient_is_the_direct_one_dropout_included(tiny_model, batch, mini_batch):
    direct, wanted = gradients(tiny_model, batch, mini_batch, cached=False)
    cached, got = gradients(tiny_model, batch, mini_batch, cached=True)

    assert cached == pytest.approx(direct, rel=1e-6)
    assert got.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert torch.allclose(got[name], gradient, atol=1e-5, rtol=1e-4), name


def test_mini_batches_hold_texts_of_like_length_without_columns_of_padding(tiny_model, pairs):
    model = load_model(tiny_model, CPU)
    features = tokenise(model, [text for _, _, text in pairs[:20]], DOCUMENT)

    parts = list(split_by_length(features, 6))

    assert sorted(torch.cat([rows for rows, _ in parts]).tolist()) == list(range(20))
    widths = [part["input_ids"].shape[1] for _, part in parts]
    assert widths == sorted(widths, reverse=True)
    assert all(part["attention_mask"].any(dim=0).all() for _, part in parts)


def test_encoding_gives_what_sentence_transformers_gives_in_the_order_of_the_texts(tiny_model, pairs):
    model = load_model(tiny_model, CPU)
    texts = [text for _, _, text in pairs[:30]] + [pairs[0][2], "", "x"]

    got = encode(model, texts, DOCUMENT, bf16=False, mini_batch=7)

    assert torch.allclose(torch.from_numpy(got), torch.from_numpy(model.encode(texts)), atol=1e-5)
