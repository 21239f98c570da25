import torch

from schemas.training import StageConfig
from trainer.hard_negatives import NegativeChoice, rank_negatives
from trainer.models.bi_encoder import load_model
from trainer.shards import Dataset


def test_the_datasets_order_is_kept_and_known_documents_are_passed_over(example):
    row = example("q", "a", ["known", "n", "m", "o"], known_ids=frozenset({"known"}))

    assert NegativeChoice(StageConfig(negatives=2)).choose(row) == [1, 2]
    assert NegativeChoice(StageConfig(negatives=0)).choose(row) == []


def test_the_hardest_within_the_guard_come_first_and_ties_keep_their_order(example):
    row = example("q", "a", ["near", "n", "m", "o", "known"], known_ids=frozenset({"known"}))

    assert rank_negatives(row, 0.8, [0.79, 0.3, 0.5, 0.5, 0.6], guard=0.95) == [2, 3, 1]


def test_a_refresh_ranks_by_the_model_in_training_and_forgets_earlier_choices(tiny_model, dataset):
    model = load_model(tiny_model, torch.device("cpu"))
    examples = Dataset(str(dataset)).stage(2).read(0)
    choice = NegativeChoice(StageConfig(negatives=1, refresh_steps=3, refresh_guard=2.0))
    choice.chosen = {"gone": [0]}

    choice.refresh(model, examples, bf16=False)

    for each in examples:
        vectors = model.encode([each.query, *each.negatives])
        scores = vectors[1:] @ vectors[0]
        assert choice.choose(each) == [int(scores.argmax())]
    assert choice.chosen.keys() == {each.example_id for each in examples}
    assert [choice.is_due(step) for step in range(4)] == [True, False, False, True]


def test_the_query_itself_is_no_negative_of_its_own(example):
    row = example("q", "a", ["q", "n", "m"], texts=["anything", "text q", "text m"])

    assert NegativeChoice(StageConfig(negatives=3)).choose(row) == [2]
