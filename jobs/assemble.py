"""Make training examples from verdicts and plan which of them meet in a batch."""

from __future__ import annotations

from pyspark.sql import functions as F

from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from pipeline.assemble.batches import plan_batches
from pipeline.assemble.examples import build_examples
from pipeline.contract import spark_schema
from schemas.documents import DOCUMENTS, DOMAINS, DUPLICATES, JUDGEMENTS
from schemas.mining import VERDICTS
from schemas.pairs import POSITIVES, SYNTHETICS
from schemas.shards import EXAMPLES


def run(run: Run) -> None:
    """Build the examples, then plan their batches."""
    config, seed = run.recipe.assemble, run.recipe.seed
    duplicates = run.read(DUPLICATES)
    # Planning reads the examples twice, ids and then texts: the joins that make them are paid once.
    unplanned = str(run.scratch / "unplanned")
    build_examples(
        run.read(VERDICTS),
        run.read(POSITIVES),
        run.read(SYNTHETICS),
        run.read(DOCUMENTS),
        run.read(DOMAINS),
        duplicates,
        run.read(JUDGEMENTS),
        config,
        seed,
    ).write.parquet(unplanned)
    examples = run.spark.read.schema(spark_schema(EXAMPLES)).parquet(unplanned)
    run.write(plan_batches(examples, duplicates, config, seed), EXAMPLES)
    planned = F.count_if(F.col("drop_reason").isNull()).alias("planned")
    for row in (
        run.read_back(EXAMPLES).groupBy("stage").agg(F.count("*").alias("made"), planned).orderBy("stage").collect()
    ):
        if not row.planned:
            run.remark(f"stage {row.stage} has no batch: none of its {row.made:,} examples found its place in one")


STAGE = Stage(
    name="assemble",
    version=2,
    settings=("assemble",),
    inputs={
        VERDICTS: "judge",
        POSITIVES: "synthesise",
        SYNTHETICS: "synthesise",
        DOCUMENTS: "guard",
        DOMAINS: "bucket",
        DUPLICATES: "dedupe",
        JUDGEMENTS: "ingest",
    },
    outputs=(EXAMPLES,),
    run=run,
    leaves=True,
)

if __name__ == "__main__":
    main(STAGE)
