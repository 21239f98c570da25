"""What a version is compared by: measures that no partitioning changes, and limits that tell drift from growth."""

import pytest

from pipeline.compare.config import AuditConfig
from pipeline.compare.drift import describe_verdicts, find_drift, statistics
from schemas.errors import RecipeError
from schemas.mining import KEPT, LIKELY_POSITIVE, TOO_EASY, VERDICTS, VETOED


def manifest(rows=1000, chars=50.0, hardness=0.5, veto=0.1, domains=None):
    domains = domains or {"a": 0.9, "b": 0.1}
    stage = {"rows": rows, "mean_query_chars": chars}
    return {
        "statistics": {"stage1": stage, "stage2": stage, "hardness": hardness, "veto_rate": veto},
        "rows": [{"stage": 1, "domain": name, "rows": round(share * rows)} for name, share in domains.items()],
    }


def broken(before, now, **limits):
    cfg = AuditConfig(**limits)
    return sorted({each.limit for each in find_drift(before, now, cfg) if each.amount > getattr(cfg, each.limit)})


@pytest.mark.parametrize(
    ("now", "limits"),
    [
        (manifest(), []),
        (manifest(rows=2000), []),  # twice the documents are no fault
        (manifest(rows=690), ["rows_lost"]),
        (manifest(rows=5010), ["rows_gained"]),
        (manifest(chars=66.0), ["length"]),
        (manifest(chars=34.0), ["length"]),
        (manifest(hardness=0.34), ["hardness"]),
        (manifest(veto=0.31), ["veto_rate"]),
        (manifest(domains={"a": 0.6, "b": 0.4}), ["domain_share"]),
        (manifest(domains={"a": 1.0}), ["domain_lost"]),
        (manifest(domains={"a": 0.8, "b": 0.1, "new": 0.1}), []),
    ],
)
def test_each_limit_is_broken_by_what_it_is_for(now, limits):
    assert broken(manifest(), now) == limits


def test_a_stage_that_vanished_has_lost_all_its_rows():
    now = manifest()
    del now["statistics"]["stage2"]
    assert broken(manifest(), now) == ["rows_lost"]


def test_a_tiny_last_version_is_no_measure():
    assert broken(manifest(rows=99), manifest(rows=10, chars=500.0, domains={"c": 1.0})) == []
    assert broken(manifest(rows=99), manifest(rows=10), min_rows=99) == ["rows_lost"]


@pytest.mark.parametrize("partitions", [1, 3])
def test_the_ledger_is_summed_exactly(rows, partitions):
    def verdict(number, kind, reason, dense, is_positive=False):
        return ("q", f"d{number}", is_positive, [], dense, None, None, None, 0.1, 0.5, kind, 1, reason)

    verdicts = rows(
        VERDICTS,
        verdict(1, KEPT, None, 0.1),
        verdict(2, KEPT, None, 0.2),
        verdict(3, KEPT, None, 0.3),
        verdict(4, VETOED, LIKELY_POSITIVE, 0.9),
        verdict(5, "dropped", TOO_EASY, 0.0),
        verdict(6, "relabelled", None, 1.0, is_positive=True),
    ).repartition(partitions)

    ledger = describe_verdicts(verdicts).collect()[0].asDict()

    assert ledger == {"candidates": 5, "vetoed": 1, "kept": 3, "cosines": 600_000}
    assert statistics([], ledger) == {"hardness": 0.2, "veto_rate": 0.2}


def test_nothing_mined_has_no_hardness(rows):
    assert statistics([], describe_verdicts(rows(VERDICTS)).collect()[0].asDict()) == {}


def test_limits_are_checked():
    with pytest.raises(RecipeError, match=r"rows_lost must be between 0.0 and 1.0, got 2.0"):
        AuditConfig(rows_lost=2.0)
