"""Every loss that the recipe may name is there."""

import pytest

from schemas.training import LOSSES
from trainer.losses.registry import find_loss, needs_teacher


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_the_recipe_is_a_function_of_its_file(name):
    assert find_loss(name).__name__ == name
    assert find_loss(name).__module__ == f"trainer.losses.{LOSSES[name]}"


def test_a_loss_says_whether_it_can_do_without_a_teacher():
    assert [name for name in LOSSES if needs_teacher(name)] == ["margin_mse"]
