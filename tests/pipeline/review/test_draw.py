"""The draw tells its own probabilities truly, has the size asked for, and hides its checks among the others."""

import numpy as np
import pandas as pd
import pytest

from pipeline.review.draw import DRAWN, KNOWN_POSITIVE, REPEAT, SURELY_WRONG, draw_questions
from schemas.mining import DROPPED, DUPLICATE_OF_POSITIVE, KEPT, LIKELY_POSITIVE, POSITIVE, SURPLUS, VETOED


def ledger(queries=60, each=40, domains=("d", "e", "f"), seed=1):
    random = np.random.default_rng(seed)
    rows = []
    for query in range(queries):
        for doc in range(each):
            chance = float(np.round(random.beta(1, 6), 6))
            verdict, reason = (
                (VETOED, LIKELY_POSITIVE) if chance > 0.2 else (KEPT, None) if doc < 4 else (DROPPED, SURPLUS)
            )
            rows.append((f"q{query}", f"c{query}-{doc}", verdict, reason, chance, domains[query % 17 % len(domains)]))
        rows.append((f"q{query}", f"p{query}", DROPPED, POSITIVE, None, domains[query % 17 % len(domains)]))
        rows.append((f"q{query}", f"t{query}", VETOED, DUPLICATE_OF_POSITIVE, 0.9, "d"))
    return pd.DataFrame(rows, columns=["query_id", "doc_id", "verdict", "drop_reason", "fn_probability", "domain"])


def known(candidates):
    of_positives = candidates[candidates["drop_reason"] == POSITIVE]
    return of_positives[["query_id", "doc_id", "domain"]].assign(rule="qrels")


CANDIDATES = ledger()
POSITIVES = known(CANDIDATES)


@pytest.mark.parametrize("pairs", [1, 3, 10, 37, 100, 400])
def test_the_draw_has_the_size_that_was_asked_for(pairs):
    found = draw_questions(CANDIDATES, POSITIVES, pairs, seed=13)
    assert len(found) == pairs
    assert len({(each.query_id, each.doc_id) for each in found if each.kind != REPEAT}) == sum(
        each.kind != REPEAT for each in found
    )


def test_checks_stand_among_the_others_and_repeats_come_late():
    found = draw_questions(CANDIDATES, POSITIVES, 100, seed=13)
    kinds = [each.kind for each in found]
    assert {kind: kinds.count(kind) for kind in (DRAWN, KNOWN_POSITIVE, SURELY_WRONG, REPEAT)} == {
        DRAWN: 86,
        KNOWN_POSITIVE: 4,
        SURELY_WRONG: 4,
        REPEAT: 6,
    }
    for place, each in enumerate(found):
        if each.kind == REPEAT:
            first = next(
                at for at, one in enumerate(found) if (one.query_id, one.doc_id) == (each.query_id, each.doc_id)
            )
            assert place - first >= 20
    assert {kind: {each.expected for each in found if each.kind == kind} for kind in set(kinds)} == {
        DRAWN: {None},
        KNOWN_POSITIVE: {"yes"},
        SURELY_WRONG: {"no"},
        REPEAT: {None},
    }
    wrong = [each for each in found if each.kind == SURELY_WRONG]
    assert all(each.doc_id.startswith("p") and each.doc_id[1:] != each.query_id[1:] for each in wrong)


def test_most_of_the_draw_is_what_was_delivered_and_every_domain_is_seen():
    verdict = {(row.query_id, row.doc_id): (row.verdict, row.domain) for row in CANDIDATES.itertuples()}
    drawn = [
        verdict[each.query_id, each.doc_id]
        for each in draw_questions(CANDIDATES, POSITIVES, 100, 13)
        if each.kind == DRAWN
    ]
    counts = {name: sum(one == name for one, _ in drawn) for name in (KEPT, VETOED, DROPPED)}
    assert 58 <= counts[KEPT] <= 68
    assert min(counts.values()) >= 7
    assert {domain for _, domain in drawn} == {"d", "e", "f"}


def test_inclusions_are_the_shares_of_seeds_that_draw_a_pair():
    small = ledger(queries=12, each=12)
    seeds = 600
    told: dict[tuple[str, str], float] = {}
    times: dict[tuple[str, str], int] = {}
    for seed in range(seeds):
        for each in draw_questions(small, known(small), 40, seed):
            if each.kind == DRAWN:
                pair = each.query_id, each.doc_id
                assert (
                    told.setdefault(pair, each.inclusion) == each.inclusion
                )  # a property of the pair, not of the seed
                times[pair] = times.get(pair, 0) + 1
    for pair, inclusion in told.items():
        deviation = (inclusion * (1 - inclusion) / seeds) ** 0.5
        assert abs(times[pair] / seeds - inclusion) < 5 * deviation + 1e-9, pair
    assert 0 < min(told.values()) < max(told.values()) <= 1


def test_weighted_by_its_inclusion_the_draw_has_the_sum_of_the_ledger():
    """Horvitz-Thompson: without it, the share of what was delivered is far off."""
    open_pairs = CANDIDATES[~CANDIDATES["drop_reason"].isin([POSITIVE, DUPLICATE_OF_POSITIVE])]
    is_kept = {(row.query_id, row.doc_id): row.verdict == KEPT for row in open_pairs.itertuples()}
    truth = (open_pairs["verdict"] == KEPT).mean()
    weighted, plain = [], []
    for seed in range(40):
        drawn = [each for each in draw_questions(CANDIDATES, POSITIVES, 100, seed) if each.kind == DRAWN]
        values = np.array([is_kept[each.query_id, each.doc_id] for each in drawn])
        weights = np.array([1 / each.inclusion for each in drawn])
        weighted.append((values * weights).sum() / len(open_pairs))
        plain.append(values.mean())
    assert abs(np.mean(weighted) - truth) < 0.006
    assert abs(np.mean(plain) - truth) > 0.4


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_rows():
    shuffled = CANDIDATES.sample(frac=1.0, random_state=3)
    first = draw_questions(CANDIDATES, POSITIVES, 50, 13)
    assert draw_questions(shuffled, POSITIVES.sample(frac=1.0, random_state=4), 50, 13) == first
    assert draw_questions(CANDIDATES, POSITIVES, 50, 14) != first


def test_after_a_rebuild_most_of_the_pairs_are_the_same():
    moved = CANDIDATES.assign(fn_probability=CANDIDATES["fn_probability"] * 1.02)
    before, after = (
        {(each.query_id, each.doc_id) for each in draw_questions(one, POSITIVES, 100, 13)}
        for one in (CANDIDATES, moved)
    )
    assert len(before & after) > 75


def test_a_ledger_without_candidates_or_positives_asks_what_there_is():
    nothing = CANDIDATES.head(0)
    assert draw_questions(nothing, POSITIVES.head(0), 10, 13) == []
    assert {each.kind for each in draw_questions(nothing, POSITIVES, 20, 13)} <= {KNOWN_POSITIVE, SURELY_WRONG}
    assert {each.kind for each in draw_questions(CANDIDATES, POSITIVES.head(0), 20, 13)} == {DRAWN, REPEAT}
