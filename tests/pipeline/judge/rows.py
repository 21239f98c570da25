"""Rows of scores and positives, and trials in which the signals tell hidden positives from the rest."""

import numpy as np
import pandas as pd

from pipeline.judge.config import JudgeConfig

CFG = JudgeConfig(rule="threshold", tolerance=0.5, per_query=2, min_dense=0.1)


def score(query, doc, dense, is_positive=False, similar=None, ann_rank=1, bm25_rank=None, bm25=None, teacher=None):
    ranks = {"ann": (ann_rank, dense), "bm25": (bm25_rank, bm25)}
    hits = [(name, rank, found) for name, (rank, found) in ranks.items() if rank]
    return (query, doc, is_positive, hits, dense, similar, teacher, "model" if teacher else None)


def positive(query, doc, rule="qrels", reason=None):
    return (query, f"text of {query}", doc, rule, 1.0, "domain", reason)


def make_trials(queries=60, seed=3, teacher_says=None, several=True, hidden_each=2, others=18):
    """Trials in which hidden positives lie higher in every signal, with noise; a third of BM25 is missing."""
    random = np.random.default_rng(seed)
    rows = queries * (hidden_each + others)
    hidden = np.tile(np.arange(hidden_each + others) < hidden_each, queries)
    lift = hidden * 1.0
    frame = pd.DataFrame(
        {
            "query_id": np.repeat([f"q{n:03d}" for n in range(queries)], hidden_each + others),
            "doc_id": [f"d{n:05d}" for n in range(rows)],
            "hidden": hidden,
            "is_several": several,
            "is_held_out": True,
            "dense": 0.4 + 0.15 * lift + 0.1 * random.normal(size=rows),
            "reference": 0.6,
            "log_lexical": random.uniform(0, 4, rows) - lift,
            "log_dense": random.uniform(0, 4, rows) - lift,
            "lexical_share": np.where(
                random.random(rows) < 0.33, np.nan, 0.5 + 0.2 * lift + 0.2 * random.normal(size=rows)
            ),
            "positive_z": lift + random.normal(size=rows),
            "positive_sim": 0.5 + 0.1 * lift + 0.1 * random.normal(size=rows),
            "bm25_score": np.nan,
            "teacher": np.nan,
            "teacher_logit": np.nan,
        }
    )
    frame["gap"] = frame["dense"] - 0.6
    frame["gap_spread"] = frame["gap"] / 0.11
    frame["cosine_z"] = (frame["dense"] - 0.42) / 0.11
    if not several:
        frame[["reference", "gap", "gap_spread", "positive_sim", "positive_z"]] = np.nan
    if teacher_says is not None:
        frame["teacher_logit"] = teacher_says(lift, random)
    return frame
