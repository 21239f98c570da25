"""Settings of the teacher."""

import pytest

from pipeline.label.config import LabelConfig
from schemas.errors import RecipeError


def test_a_teacher_without_negatives_is_refused():
    with pytest.raises(RecipeError, match="mined_negatives and random_negatives must not both be 0"):
        LabelConfig(mined_negatives=0, random_negatives=0)


def test_a_model_that_is_used_as_it_is_needs_none():
    assert LabelConfig(model="a-reranker", mined_negatives=0, random_negatives=0).model == "a-reranker"
