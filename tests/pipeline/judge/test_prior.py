"""The prior: fitted over collections, and the file that ships."""

import json
from importlib.resources import files

import numpy as np
import pytest

from pipeline.judge.fusion import FEATURES
from pipeline.judge.prior import fit_prior, load_prior, read_prior
from tests.pipeline.judge.rows import make_trials


def test_the_file_that_ships_has_its_provenance():
    kept = json.loads(files("pipeline.judge").joinpath("prior.json").read_text(encoding="utf-8"))
    belief = load_prior()
    assert belief.features == FEATURES
    assert np.linalg.eigvalsh(np.array(belief.covariance)).min() > 0
    about = kept["about"]
    assert {"encoder", "max_length", "protocol"} <= about.keys()
    for row in about["collections"]:
        assert {"name", "licence", "documents", "queries", "judged_positives", "left_out"} <= row.keys()


def test_the_base_rate_is_far_less_sure_than_the_weights():
    belief = load_prior()
    deviations = np.sqrt(np.diag(np.array(belief.covariance)))
    assert deviations[-1] > 1.5 * deviations[:-1].max()


def test_collections_that_differ_in_base_rate_alone_leave_that_alone_in_doubt():
    others = {f"c{number}": make_trials(seed=number, others=others) for number, others in enumerate((6, 18, 80))}
    belief = fit_prior(others)
    deviations = np.sqrt(np.diag(np.array(belief.covariance)))
    assert deviations[-1] > 2 * deviations[:-1].max()
    assert belief == read_prior(json.loads(json.dumps(belief.__dict__)))


def test_two_collections_say_nothing_of_a_spread():
    with pytest.raises(ValueError, match="at least 3, got 2"):
        fit_prior({"a": make_trials(), "b": make_trials(seed=4)})
