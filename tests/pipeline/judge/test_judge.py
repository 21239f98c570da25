"""The probability of being a false negative, and what becomes of each candidate."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pipeline.judge.calibrate import calibrate, weigh_teacher
from pipeline.judge.config import JudgeConfig
from pipeline.judge.fusion import FEATURES, Calibration, Fusion, fit_fusion, prior_fusion, pu_shift
from pipeline.judge.measure import auc, calibration_table, compare_choices
from pipeline.judge.trials import TRIAL, describe_signals, hide_positives
from pipeline.judge.verdicts import count_starved, judge_candidates
from pipeline.label.config import LabelConfig
from schemas.documents import DUPLICATES
from schemas.errors import RecipeError
from schemas.mining import EMBEDDINGS, SCORES, VERDICTS
from schemas.pairs import POSITIVES

# The probability is the cosine itself: rules can be read off the rows of a test.
COSINE_LOGIT = Fusion(("logit",), (0.0,), (1.0,), (1.0,), (0.0,), 0.0)
CFG = JudgeConfig(tolerance=0.5, per_query=2, min_dense=0.1)


class CosineIsProbability(Calibration):
    def __init__(self):
        super().__init__("test", COSINE_LOGIT)

    def probability(self):
        from pyspark.sql import functions as F

        return F.col("dense")


def score(query, doc, dense, is_positive=False, similar=None, ann_rank=1, bm25_rank=None, bm25=None, teacher=None):
    return (query, doc, is_positive, bm25_rank, bm25, ann_rank, dense, similar, teacher, "model" if teacher else None)


def positive(query, doc, rule="qrels", reason=None):
    return (query, f"text of {query}", doc, rule, 1.0, "domain", reason)


@pytest.fixture
def judge(rows):
    def run(scores, positives, duplicates=(), cfg=CFG, calibration=None, partitions=2):
        frame = judge_candidates(
            rows(SCORES, *scores).repartition(partitions),
            rows(POSITIVES, *positives),
            rows(DUPLICATES, *duplicates),
            calibration or CosineIsProbability(),
            cfg,
        )
        assert tuple(frame.columns) == VERDICTS.names
        return {(row.query_id, row.doc_id): row for row in frame.collect()}

    return run


def test_every_candidate_stays_in_the_ledger_with_its_reason(judge):
    scores = [
        score("q", "known", 0.9, is_positive=True),
        score("q", "twin", 0.3),
        score("q", "copy", 0.3, similar=0.98),
        score("q", "sure", 0.85),
        score("q", "likely", 0.6),
        score("q", "hard", 0.5),
        score("q", "good", 0.4),
        score("q", "third", 0.35),
        score("q", "easy", 0.05),
    ]
    cfg = JudgeConfig(tolerance=0.5, promote_above=0.8, per_query=2, min_dense=0.1, duplicate_cosine=0.97)
    gone = [("gone", "twin", "near", 0.9, None)]

    found = judge(scores, [positive("q", "known"), positive("q", "gone", reason="duplicate_pair")], gone, cfg)

    assert {doc: (row.verdict, row.drop_reason, row.rank) for (_, doc), row in found.items()} == {
        "known": ("dropped", "positive", 1),
        "twin": ("vetoed", "duplicate_of_positive", 2),
        "copy": ("vetoed", "duplicate_of_positive", 1),
        "sure": ("relabelled", "promoted", 1),
        "likely": ("vetoed", "likely_positive", 1),
        "hard": ("kept", None, 1),
        "good": ("kept", None, 2),
        "third": ("dropped", "surplus", 1),
        "easy": ("dropped", "too_easy", 1),
    }
    assert {row.threshold for row in found.values()} == {0.5}
    assert found["q", "known"].fn_probability is None
    assert found["q", "likely"].fn_probability == 0.6


@pytest.mark.parametrize("partitions", [1, 7])
def test_ties_fall_to_the_smaller_id_however_the_input_is_partitioned(judge, partitions):
    scores = [score(query, doc, 0.25) for query in ("q", "r") for doc in "dcba"]
    found = judge(scores, [positive("q", "p"), positive("r", "p")], partitions=partitions)
    assert {key for key, row in found.items() if row.drop_reason is None} == {
        ("q", "a"),
        ("q", "b"),
        ("r", "a"),
        ("r", "b"),
    }
    assert len(found) == len(scores)


def test_a_positive_of_another_query_is_a_fair_negative(judge):
    found = judge([score("q", "p", 0.4), score("r", "p", 0.9, is_positive=True)], [positive("r", "p")])
    assert found["q", "p"].verdict == "kept"


def test_both_survivor_and_twin_of_a_positive_are_vetoed(judge):
    duplicates = [("old", "new", "exact", 1.0, None), ("third", "new", "near", 0.8, None)]
    found = judge([score("q", "third", 0.3), score("q", "new", 0.3)], [positive("q", "old")], duplicates)
    assert {row.drop_reason for row in found.values()} == {"duplicate_of_positive"}


def test_starved_queries_are_counted_by_what_took_their_candidates(judge, rows):
    scores = [
        score("full", "a", 0.3),
        score("full", "b", 0.3),
        score("vetoed", "a", 0.9),
        score("vetoed", "b", 0.8),
        score("vetoed", "c", 0.3),
        score("small", "a", 0.3),
        score("easy", "a", 0.01),
        score("easy", "b", 0.01),
    ]
    verdicts = rows(VERDICTS, *map(tuple, judge(scores, []).values()))

    found = {row.main_reason: (row.queries, row.missing) for row in count_starved(verdicts, 2).collect()}

    assert found == {"few_candidates": (1, 1), "likely_positive": (1, 1), "too_easy": (1, 2)}


# --- the prior ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("best", "candidate", "is_vetoed"),
    [
        (0.8, 0.77, True),
        (0.8, 0.75, False),
        (0.8, 0.9, True),
        (-0.2, -0.2, True),
        (-0.2, -0.205, True),
        (-0.2, -0.22, False),  # a ratio would turn round below zero
    ],
)
def test_without_gold_the_veto_starts_5_percent_below_the_best_positive(judge, best, candidate, is_vetoed):
    cfg = JudgeConfig(min_dense=-1.0)
    scores = [
        score("q", "p", best, is_positive=True),
        score("q", "worse", best - 0.3, is_positive=True),
        score("q", "c", candidate),
    ]
    known = [positive("q", "p"), positive("q", "worse")]

    found = judge(scores, known, cfg=cfg, calibration=Calibration("prior", prior_fusion(cfg)))

    assert (found["q", "c"].drop_reason == "likely_positive") is is_vetoed


# --- trials -------------------------------------------------------------------------------------------------


def test_one_positive_is_shown_and_only_what_was_retrieved_can_be_hidden(rows):
    vectors = {"p1": [1.0, 0.0], "p2": [0.6, 0.8], "p3": [0.0, 1.0], "c": [0.8, 0.6]}
    scores = rows(
        SCORES,
        score("q", "p1", 0.9, is_positive=True, similar=0.6),
        score("q", "p2", 0.7, is_positive=True, similar=0.8, bm25_rank=2, bm25=4.0, ann_rank=3),
        score("q", "p3", 0.2, is_positive=True, similar=0.8, ann_rank=None),
        score("q", "c", 0.5, similar=0.96, bm25_rank=1, bm25=8.0, ann_rank=None),
        score("q", "s", 0.4, ann_rank=None),
    )
    known = rows(POSITIVES, *[positive("q", doc) for doc in ("p1", "p2", "p3")])
    embeddings = rows(EMBEDDINGS, *vectors.items())

    for seed in range(3):  # whichever is shown
        trials = hide_positives(scores, known, embeddings, LabelConfig(), 0.05, 10, seed)
        assert tuple(trials.columns) == TRIAL
        found = {row.doc_id: row for row in trials.collect()}
        shown = next(iter({"p1", "p2"} - found.keys()), "p3")
        assert set(found) == {"p1", "p2", "c"} - {shown}  # p3 was not found; s was written by a model
        assert {doc: row.hidden for doc, row in found.items()} == {doc: doc != "c" for doc in found}
        cosine = sum(a * b for a, b in zip(vectors["c"], vectors[shown], strict=True))
        assert found["c"].positive_sim == pytest.approx(cosine, abs=1e-6)  # not 0.96: the others are hidden
        assert found["c"].gap == pytest.approx(0.5 - {"p1": 0.9, "p2": 0.7, "p3": 0.2}[shown])
        assert found["c"].bm25_share == 1.0
        if "p2" in found:
            assert (found["p2"].bm25_share, found["p2"].log_rank) == (0.5, pytest.approx(math.log(2), abs=1e-6))


def test_a_query_with_one_positive_hides_it_and_shows_nothing(rows):
    scores = rows(SCORES, score("q", "p", 0.9, is_positive=True), score("q", "c", 0.5))
    trials = hide_positives(scores, rows(POSITIVES, positive("q", "p")), rows(EMBEDDINGS), LabelConfig(), 0.05, 10, 1)
    found = {row.doc_id: row for row in trials.collect()}
    assert (found["p"].hidden, found["c"].hidden, found["c"].is_several) == (True, False, False)
    assert [found["c"].gap, found["c"].excess, found["c"].positive_sim] == [None] * 3


def test_synthetic_positives_are_no_gold(rows):
    scores = rows(
        SCORES,
        score("q", "p", 0.9, is_positive=True),
        score("q", "w", 0.9, is_positive=True),
        score("llm", "p", 0.9, is_positive=True),
    )
    known = rows(
        POSITIVES, positive("q", "p"), positive("q", "w", rule="synthetic"), positive("llm", "p", rule="synthetic")
    )
    trials = hide_positives(scores, known, rows(EMBEDDINGS), LabelConfig(), 0.05, 10, 1).collect()
    assert [(row.query_id, row.doc_id, row.is_several) for row in trials] == [("q", "p", False)]


@pytest.mark.parametrize("partitions", [1, 7])
def test_trials_are_bounded_and_the_same_however_partitioned(rows, partitions):
    names = [f"q{number}" for number in range(12)]
    scores = rows(SCORES, *[score(q, d, 0.5, is_positive=d in "pr") for q in names for d in ("p", "r", "a", "b")])
    known = rows(POSITIVES, *[positive(q, d) for q in names for d in "pr"])
    embeddings = rows(EMBEDDINGS, ("p", [1.0]), ("r", [1.0]), ("a", [1.0]), ("b", [0.5]))

    def found(count):
        frames = [frame.repartition(count) for frame in (scores, known, embeddings)]
        return sorted(map(tuple, hide_positives(*frames, LabelConfig(), 0.05, 5, 1).collect()), key=str)

    assert found(partitions) == found(2)
    assert len({row[0] for row in found(partitions)}) == 5


# --- fusion -------------------------------------------------------------------------------------------------


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
            "log_rank": random.uniform(0, 4, rows) - lift,
            "bm25_share": np.where(
                random.random(rows) < 0.33, np.nan, 0.5 + 0.2 * lift + 0.2 * random.normal(size=rows)
            ),
            "positive_sim": 0.5 + 0.1 * lift + 0.1 * random.normal(size=rows),
            "bm25_score": np.nan,
            "teacher": np.nan,
            "teacher_logit": np.nan,
        }
    )
    frame["gap"] = frame["dense"] - 0.6
    frame["excess"] = frame["gap"] + 0.03
    if not several:
        frame[["gap", "excess", "positive_sim"]] = np.nan
    if teacher_says is not None:
        frame["teacher_logit"] = teacher_says(lift, random)
    return frame


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


def test_rows_in_another_order_give_the_same_calibration():
    trials = make_trials()
    assert calibrate(trials.sample(frac=1.0, random_state=5), CFG) == calibrate(trials, CFG)


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


def test_signals_are_described_per_query_and_missing_stays_missing(rows):
    from pyspark.sql import functions as F

    frame = rows(
        SCORES,
        score("q", "a", 0.5, bm25_rank=4, bm25=3.0, ann_rank=9, teacher=0.5),
        score("q", "b", 0.6, bm25_rank=1, bm25=12.0, ann_rank=None),
        score("r", "a", 0.5, ann_rank=None),
    )
    found = {
        (row.query_id, row.doc_id): row
        for row in describe_signals(frame.withColumn("reference", F.lit(0.8)), 0.05).collect()
    }
    a = found["q", "a"]
    assert (a.gap, a.excess, a.bm25_share, a.log_rank, a.teacher_logit) == (
        -0.3,
        -0.26,
        0.25,
        pytest.approx(math.log(4), abs=1e-6),
        0.0,
    )
    empty = found["r", "a"]
    assert (empty.bm25_share, empty.log_rank, empty.teacher_logit) == (None, None, None)


def test_gold_that_is_believed_less_complete_raises_every_probability():
    assert pu_shift(0.5) == 0.0
    assert pu_shift(0.2) == pytest.approx(math.log(4), abs=1e-6)
    assert pu_shift(0.8) == pytest.approx(-math.log(4), abs=1e-6)


# --- calibration --------------------------------------------------------------------------------------------


def test_the_fusion_beats_each_signal_alone_and_is_calibrated():
    found = calibrate(make_trials(queries=120), JudgeConfig())
    areas = found.figures["auc"]
    assert found.mode == "several"
    assert all(areas["fusion"] > area + 0.02 for name, area in areas.items() if name != "fusion")
    assert found.figures["log_loss"]["fusion"] < 0.9 * found.figures["log_loss"]["base_rate"]
    for tenth in found.figures["table"]:
        assert tenth["predicted"] == pytest.approx(tenth["observed"], abs=0.06)


def test_queries_with_one_positive_serve_where_none_has_several():
    found = calibrate(make_trials(several=False, hidden_each=1), JudgeConfig())
    assert (found.mode, found.fusion.features) == ("single", FEATURES["single"])


@pytest.mark.parametrize(
    "trials",
    [
        make_trials(queries=3),
        make_trials(hidden_each=0),
        make_trials(others=0, hidden_each=20),
        make_trials(queries=1, hidden_each=50, others=50),  # one query fills one fold
        make_trials().iloc[:0],
    ],
    ids=["few", "no positive", "no negative", "one query", "no gold"],
)
def test_too_little_gold_falls_back_to_the_prior_and_says_why(trials):
    found = calibrate(trials, JudgeConfig())
    assert found.mode == "prior"
    assert found.fusion.features == ("excess",)
    assert "40 are needed" in found.figures["why"]


def test_a_teacher_that_knows_more_earns_its_vote():
    trials = make_trials(teacher_says=lambda lift, random: 2.5 * lift + random.normal(size=len(lift)))
    found = calibrate(trials, JudgeConfig())
    vote = found.figures["teacher"]
    assert vote["earned"]
    assert vote["log_loss"]["with"] < vote["log_loss"]["without"]
    assert found.taught.features[-1] == "teacher_logit"


@pytest.mark.parametrize(
    "says",
    [
        lambda lift, random: random.normal(size=len(lift)),
        lambda lift, random: -2.5 * lift + random.normal(size=len(lift)),
    ],
    ids=["noise", "upside down"],
)
def test_a_teacher_that_adds_nothing_or_is_wrong_has_no_vote(says):
    found = calibrate(make_trials(teacher_says=says), JudgeConfig())
    assert found.taught is None
    assert not found.figures["teacher"]["earned"]


def test_a_teacher_is_not_measured_on_what_it_learned_from():
    trials = make_trials(teacher_says=lambda lift, random: 9.0 * lift)
    trials["is_held_out"] = False
    taught, figures = weigh_teacher(trials, FEATURES["several"], JudgeConfig())
    assert taught is None
    assert "0 hidden positives" in figures["why"]


def test_rows_that_the_teacher_did_not_score_are_judged_by_the_rest(spark):
    plain = Fusion(("dense",), (0.0,), (1.0,), (0.0,), (0.0,), -2.0)
    taught = Fusion(("teacher_logit",), (0.0,), (1.0,), (1.0,), (0.0,), 0.0)
    frame = spark.createDataFrame([(0.5, 1.0), (0.5, None)], "dense double, teacher_logit double")
    found = [row.p for row in frame.select(Calibration("several", plain, taught).probability().alias("p")).collect()]
    assert found == [round(1 / (1 + math.exp(-1)), 6), round(1 / (1 + math.exp(2)), 6)]


# --- figures ------------------------------------------------------------------------------------------------


def test_auc_equals_an_independent_one_with_ties_and_counts_missing_as_lowest():
    random = np.random.default_rng(1)
    label, value = random.random(500) < 0.2, np.round(random.normal(size=500), 1)
    assert auc(label, value) == pytest.approx(roc_auc_score(label, value), abs=1e-4)
    assert auc([True, False], [0.1, np.nan]) == 1.0
    assert auc([True, True], [0.1, 0.2]) is None


def test_choices_name_the_price_of_each_rule():
    trials = pd.DataFrame(
        {
            "query_id": ["q"] * 4,
            "doc_id": list("abcd"),
            "hidden": [True, False, False, False],
            "dense": [0.9, 0.8, 0.7, 0.6],
            "excess": [0.2, 0.1, -0.1, -0.2],
        }
    )
    found = {row.pop("rule"): row for row in compare_choices(trials, np.array([0.9, 0.05, 0.05, 0.05]), 0.1, 4)}
    assert found["hardest"] == {"false_negatives": 0.25, "missing": 0.0, "mean_dense": 0.75}
    assert found["probability"] == {"false_negatives": 0.0, "missing": 0.25, "mean_dense": 0.7}
    assert found["relative margin"] == {"false_negatives": 0.0, "missing": 0.5, "mean_dense": 0.65}


def test_the_calibration_table_covers_every_row_once():
    chance = np.linspace(0, 1, 95)
    table = calibration_table((chance > 0.5).astype(float), chance)
    assert sum(row["rows"] for row in table) == 95
    assert [row["predicted"] for row in table] == sorted(row["predicted"] for row in table)


def test_promoting_what_is_tolerated_is_refused():
    with pytest.raises(RecipeError, match=r"promote_above must be above tolerance"):
        JudgeConfig(tolerance=0.6, promote_above=0.55)
