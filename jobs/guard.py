"""The guard stage: documents + protected evaluation sets -> leaks, and documents kept."""

from __future__ import annotations

from jobs.stages import Stage, StageRun, main
from pipeline.guard import QUERY, drop_leaks, find_leaks, protected_texts
from schemas.documents import DOCUMENTS, DUPLICATES, EVAL_CORPUS, EVAL_QUERIES, LEAKS

NOTHING_PROTECTED = "no evaluation set is protected: nothing was compared and no document was cut"


def run(run: StageRun) -> None:
    """List what overlaps a protected evaluation set, then mark it; say so when there is nothing to protect."""
    cfg = run.recipe.guard
    documents, duplicates = run.read(DOCUMENTS), run.read(DUPLICATES)
    protected = protected_texts(run.read(EVAL_CORPUS), run.read(EVAL_QUERIES))
    counts = {row["role"]: row["count"] for row in protected.groupBy("role").count().collect()}
    queries = counts.get(QUERY, 0)
    run.note(protected={"documents": sum(counts.values()) - queries, "queries": queries})
    if not counts:
        run.note(warning=NOTHING_PROTECTED)
    compared = documents if counts else documents.limit(0)
    run.write(find_leaks(compared, duplicates, protected, cfg), LEAKS)
    run.write(drop_leaks(documents, run.written(LEAKS)), DOCUMENTS)


STAGE = Stage(
    name="guard", version=1,
    settings=("guard",),
    inputs={DOCUMENTS: "holdout", DUPLICATES: "dedupe", EVAL_CORPUS: "holdout", EVAL_QUERIES: "holdout"},
    outputs=(LEAKS, DOCUMENTS),
    run=run,
    leaves=True,
)

if __name__ == "__main__":
    main(STAGE)
