"""The guard stage: documents + protected evaluation sets -> leaks, and documents kept."""

from __future__ import annotations

from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.guard.leaks import drop_leaks, find_leaks, protected_texts
from pipeline.guard.report import describe_leaks, describe_protected
from schemas.documents import DOCUMENTS, DUPLICATES, EVAL_CORPUS, EVAL_QUERIES, LEAKS

NOTHING_PROTECTED = "no evaluation set is protected: nothing was compared and no document was cut"


def run(run: Run) -> None:
    """List what overlaps a protected evaluation set, then mark it; say so when there is nothing to protect."""
    cfg = run.recipe.guard
    documents, duplicates = run.read(DOCUMENTS), run.read(DUPLICATES)
    protected = protected_texts(run.read(EVAL_CORPUS), run.read(EVAL_QUERIES))
    sets = [row.asDict() for row in describe_protected(protected).collect()]
    run.note(protected=sets)
    if not sets:
        run.note(warning=NOTHING_PROTECTED)
    compared = documents if sets else documents.limit(0)
    run.write(find_leaks(compared, duplicates, protected, cfg), LEAKS)
    run.write(drop_leaks(documents, run.read_back(LEAKS)), DOCUMENTS)
    run.note(leaks=[row.asDict() for row in describe_leaks(run.read_back(LEAKS)).collect()])


STAGE = Stage(
    name="guard",
    version=3,
    settings=("guard",),
    inputs={DOCUMENTS: "holdout", DUPLICATES: "dedupe", EVAL_CORPUS: "holdout", EVAL_QUERIES: "holdout"},
    outputs=(LEAKS, DOCUMENTS),
    run=run,
    leaves=True,
    says_none=(LEAKS,),
)

if __name__ == "__main__":
    main(STAGE)
