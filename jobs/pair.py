"""The pair stage: documents, links and judgements -> positives."""

from __future__ import annotations

from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.pair.pairs import count_judged, pair_documents
from schemas.documents import DOCUMENTS, DOMAINS, DUPLICATES, EVAL_QUERIES, JUDGEMENTS
from schemas.errors import RecipeError
from schemas.pairs import POSITIVES
from schemas.reasons import count_by_setting


def run(run: Run) -> None:
    """Make the positives; refuse to go on without any."""
    cfg = run.recipe.pair
    positives = pair_documents(
        run.read(DOCUMENTS),
        run.read(DOMAINS),
        run.read(JUDGEMENTS),
        run.read(DUPLICATES),
        run.read(EVAL_QUERIES),
        cfg,
        run.recipe.seed,
    )
    run.write(positives, POSITIVES)
    found = run.read_back(POSITIVES).where("drop_reason is null").groupBy("rule").count().orderBy("rule").collect()
    if not found:
        raise RecipeError(
            f"pair.rules must give positives, got none by {', '.join(cfg.rules)}; "
            "try sources with titles (fields.title) or judgements (format beir)"
        )
    run.note(kept_by_rule={row["rule"]: row["count"] for row in found})
    lost = {
        row["reason"]: row["pairs"] for row in count_judged(run.read_back(POSITIVES), run.read(DOCUMENTS)).collect()
    }
    if lost:
        run.note(judged_lost=lost)
        run.remark(f"judged pairs left out: {count_by_setting(lost)}")


STAGE = Stage(
    name="pair",
    version=3,
    settings=("pair",),
    inputs={DOCUMENTS: "guard", DOMAINS: "bucket", JUDGEMENTS: "ingest", DUPLICATES: "dedupe", EVAL_QUERIES: "holdout"},
    outputs=(POSITIVES,),
    run=run,
)

if __name__ == "__main__":
    main(STAGE)
