"""Row 3: half of a collection's queries have all their positives, the other half one; the first half is evidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.ids import unit_of
from pipeline.judge.calibrate import calibrate
from pipeline.judge.config import JudgeConfig
from pipeline.judge.rate import predict_rate
from pipeline.judge.trade import Candidates, choose_by_price
from tests.bench.negatives.blind import WANTED, at_cosine
from tests.bench.negatives.fit_prior import COLLECTIONS, fit_without, is_judged_deeply
from tests.bench.negatives.pools import load_pool
from tests.bench.negatives.trials import blind_trials
from tests.bench.rows import Row, no_collections

SECTION = "half"
NAME, RATE, COSINE = "cranfield", 0.098, 0.528  # what the judge of before delivered, and at which cosine


def measure(work: Path, collections: Path | None, cache: Path) -> list[Row]:
    """Let one half move the prior, judge the other half blind, and compare at equal cosine."""
    if collections is None:
        return [no_collections(SECTION, "half of the queries with all their positives")]
    pools = {name: load_pool(name, collections, cache) for name in COLLECTIONS}
    deep = {name: blind_trials(pool) for name, pool in pools.items() if is_judged_deeply(pool)}
    prior, rows = fit_without(NAME, deep), deep[NAME]
    is_known = np.array([unit_of(0, "half", str(query)) < 0.5 for query in rows["query_id"]])
    gold, others = rows[is_known].assign(is_several=True), rows[~is_known].reset_index(drop=True)
    calibration = calibrate(_named(gold), JudgeConfig(), prior=prior)
    found = Candidates.of(others, calibration.predict(others))
    taken = at_cosine(found, COSINE, lambda price: choose_by_price(found, price, WANTED))
    truth = float(others["hidden"].to_numpy(bool)[taken].mean())
    rate = predict_rate(calibration.draw_chances(others.iloc[taken]).mean(axis=1), calibration.stands_on)
    holds = float(rate.low <= truth <= rate.high)
    return [
        Row.of(SECTION, f"{NAME}: rate at cosine {found.cosine[taken].mean():.3f}", truth, "", ("<=", RATE)),
        Row.of(SECTION, f"{NAME}: truth {truth:.3f} in {rate.low:.3f} to {rate.high:.3f}", holds, "", ("==", 1.0)),
    ]


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose queries have names, as folds are drawn by them."""
    return rows.assign(query_id=rows["query_id"].astype(str), doc_id=rows["doc_id"].astype(str))
