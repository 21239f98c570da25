"""The bucket stage: documents -> domains."""

from __future__ import annotations

from pyspark.sql import functions as F

from jobs.stages import Stage, StageRun, main
from pipeline.bucket import assign_domains
from schemas.documents import DOCUMENTS, DOMAINS


def run(run: StageRun) -> None:
    """Give every kept document its domain, and note the sizes."""
    run.write(assign_domains(run.read(DOCUMENTS), run.recipe.bucket), DOMAINS)
    sizes = run.written(DOMAINS).groupBy("domain").count().orderBy(F.desc("count"), "domain").collect()
    named = {row["domain"]: row["count"] for row in sizes}
    word = "domain" if len(named) == 1 else "domains"
    run.note(domains=named, headline=f"{sum(named.values()):,} documents in {len(named)} {word}")


STAGE = Stage(
    name="bucket", version=1,
    settings=("bucket",),
    inputs={DOCUMENTS: "guard"},
    outputs=(DOMAINS,),
    run=run,
)

if __name__ == "__main__":
    main(STAGE)
