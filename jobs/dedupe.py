"""The dedupe stage: documents -> duplicates, and documents kept."""

from __future__ import annotations

from jobs.entry import main
from jobs.stage_run import StageRun
from jobs.stages import Stage
from pipeline.dedupe.survivors import drop_duplicates, find_duplicates
from schemas.documents import DOCUMENTS, DUPLICATES


def run(run: StageRun) -> None:
    """Map every duplicate to its survivor, then mark it."""
    cfg = run.recipe.dedupe
    documents = run.read(DOCUMENTS)
    run.write(find_duplicates(documents, cfg), DUPLICATES)
    run.write(drop_duplicates(documents, run.written(DUPLICATES)), DOCUMENTS)
    if cfg.near:
        banding = cfg.banding
        run.note(lsh={
            "threshold": cfg.threshold, "ngram": cfg.ngram, "bands": banding.bands, "rows": banding.rows,
            "collision": banding.curve(), "collision_at_threshold": round(banding.collision(cfg.threshold), 6),
        })


STAGE = Stage(
    name="dedupe", version=1,
    settings=("dedupe",),
    inputs={DOCUMENTS: "ingest"},
    outputs=(DUPLICATES, DOCUMENTS),
    run=run,
)

if __name__ == "__main__":
    main(STAGE)
