"""Fit the judge's prior from a folder of BEIR sets: ``python -m tests.bench.negatives.fit_prior FOLDER [NAME ...]``.

Writes ``pipeline/judge/prior.json``: the belief, what it was fitted on, and a table in which each collection is judged
by a prior that was fitted without it. A collection takes part where its queries have two judged positives or more on
average: with fewer, what is hidden says nothing about how much of the rest is relevant.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.index.config import EncoderConfig
from pipeline.judge import prior as home
from pipeline.judge.fusion import Belief
from pipeline.judge.measure import auc, log_loss
from pipeline.judge.prior import fit_prior
from tests.bench.negatives.pools import MODEL, Pool, load_pool
from tests.bench.negatives.trials import blind_trials

COLLECTIONS = ("adi", "cacm", "cisi", "cranfield", "lisa", "medline", "scifact", "time")
SAME_QUERIES = ({"adi", "cisi"},)
LEAST_POSITIVES = 2.0
LICENCES = {
    "adi": "none stated",
    "cacm": "none stated; ACM abstracts, research",
    "cisi": "none stated; research",
    "cranfield": "none stated; public research collection",
    "lisa": "for research, not to be sold; (c) 1982 Library Association",
    "medline": "none stated; research",
    "time": "none stated; research",
}


def is_judged_deeply(pool: Pool) -> bool:
    """Return whether the collection can say what share of the candidates is relevant."""
    return float(pool.relevant.sum(axis=1).mean()) >= LEAST_POSITIVES


def fit_without(name: str, trials: Mapping[str, pd.DataFrame]) -> Belief:
    """Return the prior of all collections but this one and those that share its queries."""
    out = {name}.union(*(same for same in SAME_QUERIES if name in same))
    return fit_prior({other: rows for other, rows in trials.items() if other not in out})


def main(argv: Sequence[str] | None = None) -> int:
    """Fit, write, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.negatives.fit_prior", description=__doc__)
    parser.add_argument("folder", type=Path, help="of BEIR sets")
    parser.add_argument("names", nargs="*", default=COLLECTIONS, help="the sets (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("runs/bench-negatives"), help="for vectors and hits")
    args = parser.parse_args(argv)
    pools = {name: load_pool(name, args.folder, args.cache) for name in args.names}
    trials = {name: blind_trials(pool) for name, pool in pools.items() if is_judged_deeply(pool)}
    table = [_row(name, pools[name], trials) for name in trials]
    about: dict[str, Any] = {
        "encoder": MODEL,
        "max_length": EncoderConfig().max_length,
        "protocol": "one judged positive of a query shown, the others hidden among the first 100 of BM25 and encoder",
        "fitted_by": "make fit-prior",
        "collections": table,
    }
    text = json.dumps({"about": about, **asdict(fit_prior(trials))}, indent=1, ensure_ascii=False)
    Path(home.__file__).with_name("prior.json").write_text(text + "\n", encoding="utf-8")
    for row in table:
        print(json.dumps(row))
    return 0


def _row(name: str, pool: Pool, trials: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    rows = trials[name]
    chance = fit_without(name, trials).predict(rows)
    return {
        "name": name,
        "licence": LICENCES.get(name, "not stated"),
        "documents": len(pool.documents),
        "queries": len(pool.queries),
        "judged_positives": int(pool.relevant.sum()),
        "candidates": len(rows),
        "hidden_share": round(float(rows["hidden"].mean()), 4),
        "left_out": {
            "auc": auc(rows["hidden"], chance),
            "log_loss": log_loss(rows["hidden"], chance),
            "mean_probability": round(float(chance.mean()), 4),
        },
    }


if __name__ == "__main__":
    sys.exit(main())
