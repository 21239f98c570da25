"""A folder with one evaluation set."""

import pytest


@pytest.fixture
def evals(tmp_path, beir, pairs):
    beir(tmp_path / "eval" / "docs", pairs[:40])
    return tmp_path / "eval"
