"""MarginMSE against a plain loop written from its paper."""

import pytest


def test_margin_mse_follows_the_teacher_where_it_spoke(batch, vectors, value, rows_of):
    scores, positive, _, own = next(rows_of(batch, vectors))
    gaps = [(scores[positive] - scores[own[0]] - 0.5) ** 2, (scores[positive] - scores[own[1]] - 0.8) ** 2]

    assert value(batch, vectors, loss="margin_mse") == pytest.approx(sum(gaps) / 2, abs=1e-6)
