"""The probability as the mean over what is known of the weights."""

import numpy as np
import pandas as pd
import pytest

from pipeline.judge.fusion import FEATURES, TEACHER, Belief, Calibration
from pipeline.judge.prior import load_prior
from tests.pipeline.judge.rows import make_trials


def as_frame(spark, trials, names):
    features = trials[["doc_id", *names]].astype(object)
    features = features.where(features.notna(), None)
    schema = "doc_id string, " + ", ".join(f"{name} double" for name in names)
    return spark.createDataFrame([tuple(row) for row in features.itertuples(index=False)], schema)


def test_spark_and_numpy_agree_on_probability_and_lower_bound(spark):
    trials, prior = make_trials(queries=20), load_prior()
    assert trials["lexical_share"].isna().any()
    columns = [prior.probability().alias("p"), prior.lower_bound().alias("low")]
    found = {row.doc_id: row for row in as_frame(spark, trials, FEATURES).select("doc_id", *columns).collect()}
    for doc, chance, bound in zip(trials["doc_id"], prior.predict(trials), prior.bound(trials), strict=True):
        assert (found[doc].p, found[doc].low) == pytest.approx((chance, bound), abs=1e-6)
        assert bound < chance


def test_the_probability_is_the_mean_of_the_draws():
    trials, prior = make_trials(queries=20), load_prior()
    drawn = prior.draw_chances(trials)
    assert drawn.mean(axis=0) == pytest.approx(prior.predict(trials), abs=0.04)
    assert np.array_equal(drawn, prior.draw_chances(trials))


def test_doubt_about_the_base_rate_draws_the_probability_to_the_middle():
    row = pd.DataFrame({"cosine_z": [0.0]})
    sure, unsure = (
        Belief(("cosine_z",), (0.0,), (1.0,), (1.0, -3.0), ((0.01, 0.0), (0.0, variance))) for variance in (0.01, 4.0)
    )
    assert sure.predict(row)[0] == pytest.approx(0.047, abs=0.003)
    assert sure.predict(row)[0] < unsure.predict(row)[0] < 0.5


def test_rows_that_the_teacher_did_not_score_are_judged_by_the_rest(spark):
    still = ((1e-8, 0.0), (0.0, 1e-8))
    plain = Belief(("cosine_z",), (0.0,), (1.0,), (0.0, -2.0), still)
    taught = Belief((TEACHER,), (0.0,), (1.0,), (1.0, 0.0), still)
    calibration = Calibration(plain, taught)
    frame = spark.createDataFrame([(0.5, 1.0), (0.5, None)], "cosine_z double, teacher_logit double")
    found = [row.p for row in frame.select(calibration.probability().alias("p")).collect()]
    assert found == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(2))], abs=1e-4)
    assert calibration.predict(frame.toPandas()) == pytest.approx(found, abs=1e-5)
