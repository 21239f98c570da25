"""Evidence moves the belief: on simulated corpora whose weights are known."""

import numpy as np
import pytest

from pipeline.judge.evidence import COMPLETENESS, Evidence, update_belief
from pipeline.judge.fusion import Belief

PRIOR = Belief(
    ("a", "b"), (0.0, 0.0), (1.0, 1.0), (1.0, 0.5, -3.0), ((0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.0, 0.0, 1.2))
)


def simulate(seed, weights=(1.2, 0.4, -2.5), known=1.0, reviewed=False, queries=80, each=50):
    """Candidates of queries: which are relevant, and of those which are known to gold."""
    random = np.random.default_rng(seed)
    design = np.column_stack([random.normal(size=(queries * each, 2)), np.ones(queries * each)])
    chance = 1 / (1 + np.exp(-design @ weights))
    is_relevant = random.random(len(chance)) < chance
    told = is_relevant & (random.random(len(chance)) < known)
    query = np.repeat(np.arange(queries), each)
    return Evidence(design, told, np.full(len(chance), reviewed), query), is_relevant


def part(evidence, rows):
    return Evidence(*(getattr(evidence, name)[rows] for name in ("design", "is_relevant", "is_reviewed", "query")))


def test_without_evidence_the_prior_stands():
    evidence, _ = simulate(1)
    assert update_belief(PRIOR, part(evidence, slice(0))).belief is PRIOR


def test_much_evidence_finds_the_weights_and_is_sure_of_them():
    evidence, _ = simulate(1, reviewed=True)
    found = update_belief(PRIOR, evidence).belief
    assert found.centre == pytest.approx((1.2, 0.4, -2.5), abs=0.2)
    assert np.sqrt(np.diag(np.array(found.covariance))).max() < 0.12


def test_little_evidence_leaves_the_prior_nearly_as_it_was():
    evidence, _ = simulate(1, reviewed=True)
    found = update_belief(PRIOR, part(evidence, slice(5))).belief
    before, after = (np.sqrt(np.diag(np.array(each.covariance))) for each in (PRIOR, found))
    assert found.centre == pytest.approx(PRIOR.centre, abs=0.8)
    assert (after <= before + 1e-6).all()
    assert after[-1] > 0.5


def test_what_gold_does_not_know_is_allowed_for():
    """Completeness drawn from its prior: the truth lies in the interval, which what is known alone would miss."""
    held, widths = 0, []
    for seed in range(40):
        logit = np.random.default_rng(seed + 100).normal(*COMPLETENESS)
        evidence, is_relevant = simulate(seed, known=1 / (1 + np.exp(-logit)))
        belief = update_belief(PRIOR, evidence).belief
        draws = (
            np.array(belief.centre)
            + np.random.default_rng(1).normal(size=(400, 3)) @ np.linalg.cholesky(np.array(belief.covariance)).T
        )
        rates = (1 / (1 + np.exp(-draws @ evidence.design.T))).mean(axis=1)
        held += np.quantile(rates, 0.025) <= is_relevant.mean() <= np.quantile(rates, 0.975)
        assert np.quantile(rates, 0.975) > evidence.is_relevant.mean()
        widths.append(np.quantile(rates, 0.975) - np.quantile(rates, 0.025))
    assert held >= 35  # of 40, where 38 are meant
    assert np.mean(widths) < 0.35


def test_with_reviews_the_completeness_of_gold_is_found():
    gold, _ = simulate(1, known=0.35)
    reviews, _ = simulate(2, reviewed=True, queries=20)
    both = Evidence(
        *(
            np.concatenate([getattr(gold, name), getattr(reviews, name)])
            for name in ("design", "is_relevant", "is_reviewed", "query")
        )
    )
    assert update_belief(PRIOR, both).completeness == pytest.approx(0.35, abs=0.15)


def test_pairs_that_resemble_one_another_within_queries_count_less():
    plain, _ = simulate(1, reviewed=True)
    same = np.repeat(np.arange(0, len(plain.query), 50), 50)
    copied = Evidence(plain.design[same], plain.is_relevant[same], plain.is_reviewed, plain.query)
    alone, together = update_belief(PRIOR, plain), update_belief(PRIOR, copied)
    assert alone.effect < 1.5 < 10 < together.effect
    assert together.belief.covariance[-1][-1] > 3 * alone.belief.covariance[-1][-1]


def test_rows_in_another_order_move_it_alike():
    evidence, _ = simulate(3)
    shuffled = part(evidence, np.random.default_rng(0).permutation(len(evidence.query)))
    one, other = (update_belief(PRIOR, each) for each in (evidence, shuffled))
    assert one.belief.centre == pytest.approx(other.belief.centre, abs=1e-3)
