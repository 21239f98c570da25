"""The judge stage: scores -> verdicts, by a prior from other collections that gold and reviews of this one move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.ids import unit_column
from pipeline.judge.answers import ANSWERED, find_pairs, settle_answers
from pipeline.judge.calibrate import calibrate
from pipeline.judge.estimates import (
    SAMPLE,
    Choice,
    answers_of,
    estimate_rates,
    make_choice,
    rates_by_domain,
    trace_curve,
)
from pipeline.judge.fusion import FEATURES, TEACHER, Calibration
from pipeline.judge.signals import with_spread
from pipeline.judge.trade import THRESHOLD, Candidates
from pipeline.judge.trials import hide_positives
from pipeline.judge.verdicts import count_starved, describe_candidates, judge_candidates
from schemas.documents import DOCUMENTS, DUPLICATES
from schemas.mining import EMBEDDINGS, KEPT, SCORES, VERDICTS
from schemas.pairs import POSITIVES

_COLUMNS = tuple(dict.fromkeys((*SAMPLE, *FEATURES, TEACHER)))


def run(run: Run) -> None:
    """Learn from gold and reviews, find the price of risk on a sample, judge every candidate, and state the rates."""
    cfg, trials = run.recipe.judge, _trials(run)
    before = calibrate(trials, cfg)
    answers = settle_answers(run.reviews)
    reviewed = _reviewed(run, before, answers)
    calibration = calibrate(trials, cfg, reviewed) if len(reviewed) else before
    rows = _sample(run, calibration)
    found = Candidates.of(rows, rows["fn_probability"].to_numpy(float))
    choice = make_choice(found, cfg)
    run.write(judge_candidates(_describe(run, run.read(SCORES), calibration), cfg, choice.price), VERDICTS)
    starvation = _starvation(run)
    rates = _rates(run, rows.iloc[choice.taken], calibration, before, reviewed)
    run.note(
        calibration=calibration.figures,
        curve=trace_curve(found, choice, cfg),
        reviews={"standing": len(run.reviews), "settled": len(answers), "found": len(reviewed)},
        starvation=starvation,
        remarks=_remarks(run, calibration, choice, rates, starvation),
        **rates,
    )


def _describe(run: Run, scores: DataFrame, calibration: Calibration) -> DataFrame:
    """Return the candidates with signals and probabilities; the spread is that of all SCORES unless it is there."""
    spread = scores if "spread" in scores.columns else with_spread(scores)
    return describe_candidates(spread, run.read(POSITIVES), run.read(DUPLICATES), calibration, run.recipe.judge)


def _sample(run: Run, calibration: Calibration) -> pd.DataFrame:
    """Collect the candidates of at most ``sample_queries`` queries, drawn by hash."""
    scores, draw = with_spread(run.read(SCORES)), unit_column(run.recipe.seed, F.lit("sample"), F.col("query_id"))
    queries = scores.select("query_id").distinct().orderBy(draw, "query_id").limit(run.recipe.judge.sample_queries)
    drawn = _describe(run, scores.join(F.broadcast(queries), "query_id", how="left_semi"), calibration)
    rows = _with_domain(run, drawn.where(~F.col("is_positive"))).select(*_COLUMNS).toPandas()
    return rows.sort_values(["query_id", "doc_id"], ignore_index=True)


def _with_domain(run: Run, pairs: DataFrame) -> DataFrame:
    domains = run.read(POSITIVES).groupBy("query_id").agg(F.min("domain").alias("domain"))
    return pairs.join(domains, "query_id", how="left")


def _reviewed(run: Run, calibration: Calibration, answers: list[tuple[str, str, bool, float, bool]]) -> pd.DataFrame:
    """Collect the candidates that were reviewed, with signals and answers."""
    if not answers:
        return pd.DataFrame()
    told = find_pairs(run.spark.createDataFrame(answers, ANSWERED), run.read(POSITIVES), run.read(DOCUMENTS)).cache()
    queries = told.select("query_id").distinct()
    scores = with_spread(run.read(SCORES)).join(F.broadcast(queries), "query_id", how="left_semi")
    described = _describe(run, scores, calibration).where(~F.col("is_positive"))
    rows = _with_domain(run, described.join(told, ["query_id", "doc_id"], how="inner"))
    names = dict.fromkeys((*_COLUMNS, "is_relevant", "inclusion", "is_drawn"))
    found = rows.select(*names).toPandas().sort_values(["query_id", "doc_id"], ignore_index=True)
    told.unpersist()
    return found


def _rates(
    run: Run, taken: pd.DataFrame, calibration: Calibration, before: Calibration, reviewed: pd.DataFrame
) -> dict[str, Any]:
    """Return the stated rates: of all negatives, and per domain."""
    if reviewed.empty:
        nothing = pd.DataFrame({"is_relevant": [], "inclusion": []})
        kept, chance = nothing, calibration.predict(taken)[:0]
    else:
        pairs = run.spark.createDataFrame(reviewed[["query_id", "doc_id"]])
        judged = run.read_back(VERDICTS).where(F.col("verdict") == KEPT).select("query_id", "doc_id")
        still = judged.join(F.broadcast(pairs), ["query_id", "doc_id"], how="inner").toPandas()
        kept = reviewed[reviewed["is_drawn"].astype(bool)].merge(still, on=["query_id", "doc_id"])
        chance = calibration.predict(kept)
    rates = estimate_rates(taken, calibration, before, answers_of(kept, chance))
    return {"rates": rates, "domains": rates_by_domain(taken, calibration, kept)}


def _remarks(
    run: Run, calibration: Calibration, choice: Choice, rates: Mapping[str, Any], starvation: Mapping[str, Any]
) -> list[str]:
    """Return what the stage's line says: the rate in words, whether it is tolerated, what was widened, the vote."""
    said = [f"false negatives {rates['rates']['in_words']}"] if rates["rates"] else []
    if not choice.is_tolerated:
        said.append(f"the tolerated rate of {run.recipe.judge.tolerance:.0%} cannot be reached: lower per_query")
    if starvation["widened_queries"] and run.recipe.judge.rule == THRESHOLD:
        said.append(f"{starvation['widened_queries']:,} queries took negatives above the tolerated probability")
    return said + (describe_vote(calibration.figures["teacher"]) if run.recipe.label.enabled else [])


def describe_vote(teacher: Mapping[str, Any]) -> list[str]:
    """Return what became of the teacher's vote; nothing where there was no teacher to speak of."""
    if not teacher:
        return []
    if teacher.get("earned"):
        return ["the teacher votes: it tells answers better than the other signals alone"]
    return [f"the teacher has no vote: {teacher.get('why', 'it does not tell answers better than the other signals')}"]


def _trials(run: Run) -> pd.DataFrame:
    """Collect the trials: at most ``gold_queries`` times the candidates of a query."""
    recipe = run.recipe
    scores, positives, embeddings = run.read(SCORES), run.read(POSITIVES), run.read(EMBEDDINGS)
    most = recipe.judge.gold_queries
    return hide_positives(scores, positives, embeddings, recipe.label, most, recipe.seed).toPandas()


def _starvation(run: Run) -> dict[str, Any]:
    """Return how many queries got fewer negatives than wanted, and what took their candidates."""
    wanted, verdicts = run.recipe.judge.per_query, run.read_back(VERDICTS)
    queries = verdicts.select("query_id").distinct().count()
    is_widened = (F.col("verdict") == KEPT) & (F.col("fn_probability") > run.recipe.judge.tolerance)
    widened = verdicts.where(is_widened).select("query_id").distinct().count()
    why = [row.asDict() for row in count_starved(verdicts, wanted).collect()]
    missing = sum(int(row["missing"]) for row in why)
    return {
        "queries": queries,
        "wanted_each": wanted,
        "widened_queries": widened,
        "short_queries": sum(int(row["queries"]) for row in why),
        "missing_share": round(missing / max(1, queries * wanted), 4),
        "why": why,
    }


STAGE = Stage(
    name="judge",
    version=3,
    settings=("judge", "label"),
    inputs={SCORES: "label", POSITIVES: "synthesise", EMBEDDINGS: "index", DUPLICATES: "dedupe", DOCUMENTS: "guard"},
    outputs=(VERDICTS,),
    run=run,
    reads_reviews=True,
    conditional_sections=("review",),  # which answers count
    leaves=True,
)

if __name__ == "__main__":
    main(STAGE)
