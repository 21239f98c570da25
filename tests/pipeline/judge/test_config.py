"""Settings of the judge."""

import pytest

from pipeline.judge.config import JudgeConfig
from schemas.errors import RecipeError


def test_promoting_what_is_tolerated_is_refused():
    with pytest.raises(RecipeError, match=r"promote_above must be above tolerance"):
        JudgeConfig(tolerance=0.6, widest=0.7, promote_above=0.55)


def test_a_window_narrower_than_what_is_tolerated_is_refused():
    with pytest.raises(RecipeError, match=r"widest must be at least tolerance \(0.6\)"):
        JudgeConfig(tolerance=0.6, widest=0.5)
