"""What the judge's choice is worth, on a sample of whole queries: the price of risk, the curve, rates with intervals.

The sample is drawn by hash and collected; the same choice is then made for all queries by Spark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.judge.config import JudgeConfig
from pipeline.judge.fusion import Array, Calibration
from pipeline.judge.rate import Answers, Rate, in_words, predict_rate, update_rate
from pipeline.judge.trade import (
    TRADE_OFF,
    Candidates,
    Chosen,
    choose_below,
    choose_by_price,
    draw_curve,
    find_price,
)

SAMPLE = ("query_id", "doc_id", "domain", "dense", "reference", "is_allowed", "fn_probability")
_DIGITS = 4


@dataclass(frozen=True)
class Choice:
    """The rule's choice on the sample: the price of risk, whether that meets the tolerated rate, and the rows taken."""

    price: float
    is_tolerated: bool
    taken: Chosen


def make_choice(found: Candidates, cfg: JudgeConfig) -> Choice:
    """Return what the recipe's rule takes of the sample."""
    if cfg.rule != TRADE_OFF:
        taken = choose_below(found, cfg.tolerance, cfg.per_query, cfg.widest)
        mean = float(found.chance[taken].mean()) if len(taken) else 0.0
        return Choice(0.0, mean <= cfg.tolerance, taken)
    price, is_tolerated = find_price(found, cfg.tolerance, cfg.per_query, cfg.widest)
    return Choice(price, is_tolerated, choose_by_price(found, price, cfg.per_query, cfg.widest))


def trace_curve(found: Candidates, choice: Choice, cfg: JudgeConfig) -> dict[str, Any]:
    """Return estimated rate against mean cosine for both rules and the peers, and the chosen point, as figures."""
    points = [
        {"rule": rule, "at": at, **_point(found, taken)}
        for rule, at, taken in draw_curve(found, cfg.per_query)
        if len(taken)
    ]
    chosen = {"rule": cfg.rule, **_point(found, choice.taken)} if len(choice.taken) else None
    return {"points": points, "chosen": chosen, "price": choice.price, "is_tolerated": choice.is_tolerated}


def _point(found: Candidates, taken: Chosen) -> dict[str, float]:
    cosine, rate = found.cosine[taken].mean(), found.chance[taken].mean()
    return {"cosine": round(float(cosine), _DIGITS), "rate": round(float(rate), _DIGITS), "negatives": len(taken)}


def estimate_rates(rows: pd.DataFrame, calibration: Calibration, before: Calibration, kept: Answers) -> dict[str, Any]:
    """Return the rate among the negatives taken, as stated without reviews and with those among the taken.

    In:   rows taken of the sample, with their signals; what is known with the reviews, and without; the answers to
          pairs that were taken, of the sample or not.
    """
    if rows.empty:
        return {}
    unreviewed = predict_rate(before.draw_chances(rows).mean(axis=1), before.stands_on)
    rate = update_rate(unreviewed, calibration.predict(rows), kept)
    if not rate.pairs and calibration.stands_on != before.stands_on:
        rate = predict_rate(calibration.draw_chances(rows).mean(axis=1), calibration.stands_on)
    return {"rate": rate.as_dict(), "unreviewed": unreviewed.as_dict(), "in_words": in_words(rate)}


def rates_by_domain(rows: pd.DataFrame, calibration: Calibration, answers: pd.DataFrame) -> list[dict[str, Any]]:
    """Return per domain the estimated rate among the taken, and what reviewers found of those that they answered."""
    told = dict(tuple(answers.groupby("domain"))) if len(answers) else {}
    found = []
    for domain, part in sorted(rows.groupby("domain"), key=lambda item: str(item[0])):
        rate: Rate = predict_rate(calibration.draw_chances(part).mean(axis=1), calibration.stands_on)
        here = told.get(domain)
        observed = None if here is None else _weighted(here["is_relevant"], here["inclusion"])
        row = {"domain": domain, "negatives": len(part), **rate.as_dict(), "observed": observed}
        found.append({**row, "pairs": 0 if here is None else len(here)})
    return found


def _weighted(is_relevant: pd.Series, inclusion: pd.Series) -> float:
    weight = 1 / inclusion.to_numpy(np.float64)
    return round(float((weight * is_relevant.to_numpy(bool)).sum() / weight.sum()), _DIGITS)


def answers_of(rows: pd.DataFrame, chance: Array) -> Answers:
    """Return collected answers with the judge's probability of each."""
    return Answers(chance, rows["is_relevant"].to_numpy(bool), rows["inclusion"].to_numpy(np.float64))
