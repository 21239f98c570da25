"""The judge stage: scores -> verdicts, by a calibration fitted on hidden positives of the gold queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.judge.calibrate import calibrate
from pipeline.judge.trials import hide_positives
from pipeline.judge.verdicts import count_starved, judge_candidates
from schemas.documents import DUPLICATES
from schemas.mining import EMBEDDINGS, SCORES, VERDICTS
from schemas.pairs import POSITIVES


def run(run: Run) -> None:
    """Fit the calibration, judge every candidate, and say which queries were left short."""
    cfg = run.recipe.judge
    calibration = calibrate(_trials(run), cfg)
    scores, positives, duplicates = run.read(SCORES), run.read(POSITIVES), run.read(DUPLICATES)
    run.write(judge_candidates(scores, positives, duplicates, calibration, cfg), VERDICTS)
    remarks = describe_vote(calibration.figures.get("teacher", {})) if run.recipe.label.enabled else []
    run.note(calibration=calibration.figures, starvation=_starvation(run), remarks=remarks)


def describe_vote(teacher: Mapping[str, Any]) -> list[str]:
    """Return what became of the teacher's vote; nothing where there was no teacher to speak of."""
    if not teacher:
        return []
    if teacher.get("earned"):
        return ["the teacher votes: it tells answers better than the other signals alone"]
    return [f"the teacher has no vote: {teacher.get('why', 'it does not tell answers better than the other signals')}"]


def _trials(run: Run) -> pd.DataFrame:
    """Collect the trials: at most ``gold_queries`` times the candidates of a query."""
    cfg, recipe = run.recipe.judge, run.recipe
    scores, positives, embeddings = run.read(SCORES), run.read(POSITIVES), run.read(EMBEDDINGS)
    found = hide_positives(scores, positives, embeddings, recipe.label, cfg.prior_margin, cfg.gold_queries, recipe.seed)
    return found.toPandas()


def _starvation(run: Run) -> dict[str, Any]:
    """Return how many queries got fewer negatives than wanted, and what took their candidates."""
    wanted, verdicts = run.recipe.judge.per_query, run.read_back(VERDICTS)
    queries = verdicts.select("query_id").distinct().count()
    why = [row.asDict() for row in count_starved(verdicts, wanted).collect()]
    missing = sum(int(row["missing"]) for row in why)
    return {
        "queries": queries,
        "wanted_each": wanted,
        "short_queries": sum(int(row["queries"]) for row in why),
        "missing_share": round(missing / max(1, queries * wanted), 4),
        "why": why,
    }


STAGE = Stage(
    name="judge",
    version=3,
    settings=("judge", "label"),
    inputs={SCORES: "label", POSITIVES: "synthesise", EMBEDDINGS: "index", DUPLICATES: "dedupe"},
    outputs=(VERDICTS,),
    run=run,
    leaves=True,
)

if __name__ == "__main__":
    main(STAGE)
