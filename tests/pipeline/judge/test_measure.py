"""The judge's figures: AUC, the price of each rule, the calibration table."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.judge.measure import auc, calibration_table, compare_choices


def test_auc_equals_an_independent_one_with_ties_and_counts_missing_as_lowest():
    random = np.random.default_rng(1)
    label, value = random.random(500) < 0.2, np.round(random.normal(size=500), 1)
    assert auc(label, value) == pytest.approx(roc_auc_score(label, value), abs=1e-4)
    assert auc([True, False], [0.1, np.nan]) == 1.0
    assert auc([True, True], [0.1, 0.2]) is None


def test_choices_name_the_price_of_each_rule():
    trials = pd.DataFrame(
        {
            "query_id": ["q"] * 4,
            "doc_id": list("abcd"),
            "hidden": [True, False, False, False],
            "dense": [0.9, 0.8, 0.7, 0.6],
            "excess": [0.2, 0.1, -0.1, -0.2],
        }
    )
    found = {row.pop("rule"): row for row in compare_choices(trials, np.array([0.9, 0.05, 0.05, 0.05]), 0.1, 4)}
    assert found["hardest"] == {"false_negatives": 0.25, "missing": 0.0, "mean_dense": 0.75}
    assert found["probability"] == {"false_negatives": 0.0, "missing": 0.25, "mean_dense": 0.7}
    assert found["relative margin"] == {"false_negatives": 0.0, "missing": 0.5, "mean_dense": 0.65}


def test_the_calibration_table_covers_every_row_once():
    chance = np.linspace(0, 1, 95)
    table = calibration_table((chance > 0.5).astype(float), chance)
    assert sum(row["rows"] for row in table) == 95
    assert [row["predicted"] for row in table] == sorted(row["predicted"] for row in table)
