"""The judge's figures: AUC, the price of each rule, the calibration table."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.judge.measure import auc, calibration_table


def test_auc_equals_an_independent_one_with_ties_and_counts_missing_as_lowest():
    random = np.random.default_rng(1)
    label, value = random.random(500) < 0.2, np.round(random.normal(size=500), 1)
    assert auc(label, value) == pytest.approx(roc_auc_score(label, value), abs=1e-4)
    assert auc([True, False], [0.1, np.nan]) == 1.0
    assert auc([True, True], [0.1, 0.2]) is None


def test_the_calibration_table_covers_every_row_once():
    chance = np.linspace(0, 1, 95)
    table = calibration_table((chance > 0.5).astype(float), chance)
    assert sum(row["rows"] for row in table) == 95
    assert [row["predicted"] for row in table] == sorted(row["predicted"] for row in table)
