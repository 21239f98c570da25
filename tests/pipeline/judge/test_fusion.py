"""The regression that makes one probability of all signals."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.judge.fusion import FEATURES, fit_fusion, pu_shift
from tests.pipeline.judge.rows import make_trials


def test_the_fit_equals_an_independent_ridge_regression():
    trials = make_trials()
    features = FEATURES["several"]
    fusion = fit_fusion(trials, features, ridge=1.0)

    raw = trials[list(features)]
    standard = ((raw - raw.mean()) / raw.std(ddof=0)).fillna(0.0)
    design = np.column_stack([standard, raw["bm25_share"].isna()])
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(design, trials["hidden"])

    assert fusion.weights == pytest.approx(peer.coef_[0][:-1], abs=1e-3)
    assert fusion.missing[2] == pytest.approx(peer.coef_[0][-1], abs=1e-3)
    assert fusion.predict(trials) == pytest.approx(peer.predict_proba(design)[:, 1], abs=1e-3)


def test_perfectly_separated_trials_still_have_a_finite_fit():
    trials = make_trials()
    trials["dense"] = trials["hidden"].astype(float)
    assert all(math.isfinite(weight) for weight in fit_fusion(trials, ("dense", "log_rank"), 1.0).weights)


def test_spark_and_numpy_agree_on_the_probability(spark):
    trials = make_trials(queries=20)
    fusion = fit_fusion(trials, FEATURES["several"], 1.0)
    features = trials[["doc_id", *fusion.features]].astype(object)
    features = features.where(features.notna(), None)
    schema = "doc_id string, " + ", ".join(f"{name} double" for name in fusion.features)
    frame = spark.createDataFrame([tuple(row) for row in features.itertuples(index=False)], schema)

    found = {row.doc_id: row.p for row in frame.select("doc_id", fusion.probability().alias("p")).collect()}

    for doc, expected in zip(trials["doc_id"], fusion.predict(trials), strict=True):
        assert found[doc] == pytest.approx(expected, abs=1e-6)


def test_gold_that_is_believed_less_complete_raises_every_probability():
    assert pu_shift(0.5) == 0.0
    assert pu_shift(0.2) == pytest.approx(math.log(4), abs=1e-6)
    assert pu_shift(0.8) == pytest.approx(-math.log(4), abs=1e-6)
