"""Stage synthesise: a language model writes queries and hard negatives; what passes the gates joins the positives."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import starmap

from pyspark.sql import DataFrame

from jobs.cache.few_shots import ShotShelf
from jobs.engines.lucene import search_bm25
from jobs.llm.generate import fetch_replies
from jobs.llm.model import OFF, model_digest, why_no_model
from jobs.llm.prompts_on_disk import store_prompts
from jobs.runtime.artefacts import LUCENE
from jobs.runtime.entry import main
from jobs.runtime.stage import Run, Stage
from jobs.store.files import digest_of
from jobs.store.layout import SHOTS
from pipeline.contract import frame_of, kept, local_frame
from pipeline.recipe import Recipe
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.gates import flag_protected, judge_synthetics
from pipeline.synthesise.kept_shots import KEPT_SHOTS, describe_shots, keep_shots
from pipeline.synthesise.replies import parse_replies, unite_positives
from pipeline.synthesise.requests import SHOT_SEARCH_DEPTH, add_shot_negatives, choose_shots, plan_requests
from schemas.documents import DOCUMENTS, DOMAINS, EVAL_CORPUS, EVAL_QUERIES
from schemas.pairs import NEGATIVE, POSITIVES, QUERY, REPLIES, REQUESTS, SYNTHETICS

_KEPT = "kept"


def run(run: Run) -> None:
    """Plan the prompts, have them answered, judge the answers; without a model pass the gold positives on."""
    reason = why_off(run.recipe.synthesise)
    if reason:
        run.note(headline=reason)
        for table in (REQUESTS, REPLIES, SYNTHETICS):
            run.write(frame_of(run.spark, table, []), table)
        run.write(run.read(POSITIVES), POSITIVES)
        return
    run.write(plan(run), REQUESTS)
    run.write(answer(run), REPLIES)
    run.write(judge(run), SYNTHETICS)
    run.write(unite_positives(run.read(POSITIVES), run.read_back(SYNTHETICS), run.read(DOMAINS)), POSITIVES)
    rates = _rates(run.read_back(SYNTHETICS))
    run.note(model=run.digests["model"], written=rates, headline="; ".join(starmap(_describe_rates, rates.items())))


def why_off(cfg: SynthesiseConfig) -> str | None:
    """Return in one line why nothing is written here, None when something is."""
    if not cfg.enabled:
        return "nothing is synthesised: it is off in the recipe"
    if not cfg.queries and not cfg.negatives:
        return "nothing is synthesised: queries and negatives are 0"
    fault = why_no_model(cfg)
    return f"nothing is synthesised: {fault}" if fault else None


def plan(run: Run) -> DataFrame:
    """Return REQUESTS; the shots are searched for their negatives first."""
    cfg, seed = run.recipe.synthesise, run.recipe.seed
    documents, domains, gold = run.read(DOCUMENTS), run.read(DOMAINS), run.read(POSITIVES)
    chosen = choose_shots(documents, domains, gold, cfg, seed)
    hits = search_bm25(chosen.select("query_id", "query").distinct(), run.source_of(LUCENE), SHOT_SEARCH_DEPTH)
    shots = add_shot_negatives(chosen, hits, documents, gold)
    if cfg.refresh:
        shots = _keep(run, shots)
    return plan_requests(documents, domains, gold, shots, cfg, seed)


def _keep(run: Run, shots: DataFrame) -> DataFrame:
    """Return the shots to show, yesterday's where they hold, stored for the run; they are kept for tomorrow."""
    cfg, place = run.recipe.synthesise, str(run.scratch / SHOTS)
    made_of = digest_of([STAGE.version, run.recipe.seed, cfg.shots, cfg.min_document_chars])  # what choosing reads
    shelf = ShotShelf(run.cache_dir / SHOTS / run.recipe.name, made_of)
    earlier = local_frame(run.spark, shelf.find(), KEPT_SHOTS)
    keep_shots(shots, earlier, run.read(DOCUMENTS), run.read(POSITIVES), cfg).write.parquet(place)
    shown = run.spark.read.parquet(place)
    shelf.keep([tuple(row) for row in describe_shots(shown).orderBy("domain_id", "place").collect()])
    return shown


def answer(run: Run) -> DataFrame:
    """Return REPLIES: from the journal, and for the rest from the server, which is started only when it is needed.

    Raises: EngineError when the server is gone, or refuses every request that was ever made.
    """
    digest = run.digests["model"]
    got = fetch_replies(store_prompts(run.read_back(REQUESTS), run), run, digest)
    return frame_of(run.spark, REPLIES, [(request, w.reply, w.finish_reason, digest) for request, w in got.items()])


def judge(run: Run) -> DataFrame:
    """Return SYNTHETICS: parsed and gated replies."""
    cfg, documents = run.recipe.synthesise, run.read(DOCUMENTS)
    folder = str(run.scratch / "parsed")
    parse_replies(run.read_back(REQUESTS), run.read_back(REPLIES), documents, cfg).write.parquet(folder)
    parsed = run.spark.read.parquet(folder)  # read four times below, parsed once
    leaks = flag_protected(
        parsed, run.read(EVAL_CORPUS), run.read(EVAL_QUERIES), run.recipe.guard, run.recipe.pair.protect_similarity
    )
    queries = kept(parsed).where(f"kind = '{QUERY}'").groupBy("text_id").agg({"text": "min"}).toDF("query_id", "query")
    hits = search_bm25(queries, run.source_of(LUCENE), cfg.round_trip_depth).select("query_id", "doc_id", "rank")
    return judge_synthetics(parsed, hits, leaks, run.read(POSITIVES), cfg)


def writer_digest(recipe: Recipe) -> dict[str, str]:
    """Return the digest of what writes."""
    return {"model": OFF if why_off(recipe.synthesise) else model_digest(recipe)}


def _rates(synthetics: DataFrame) -> dict[str, dict[str, int]]:
    """Return counts by kind and drop_reason; "kept" for null."""
    counted: dict[str, dict[str, int]] = {QUERY: {}, NEGATIVE: {}}
    for row in synthetics.groupBy("kind", "drop_reason").count().collect():
        counted[row["kind"]][row["drop_reason"] or _KEPT] = row["count"]
    return counted


def _describe_rates(kind: str, counts: Mapping[str, int]) -> str:
    """Return, e.g., ``300 -> 75 queries (round_trip_failed 120, copy_of_source 105)``."""
    kept_rows, dropped = counts.get(_KEPT, 0), {why: count for why, count in counts.items() if why != _KEPT}
    most_first = sorted(dropped.items(), key=lambda each: (-each[1], each[0]))
    reasons = ", ".join(f"{why} {count:,}" for why, count in most_first)
    plural = {QUERY: "queries", NEGATIVE: "negatives"}[kind]
    return f"{sum(counts.values()):,} -> {kept_rows:,} {plural}" + (f" ({reasons})" if reasons else "")


STAGE = Stage(
    name="synthesise",
    version=3,
    settings=("synthesise", "guard", "pair"),
    inputs={
        DOCUMENTS: "guard",
        DOMAINS: "bucket",
        POSITIVES: "pair",
        EVAL_CORPUS: "holdout",
        EVAL_QUERIES: "holdout",
        LUCENE: "index",
    },
    outputs=(REQUESTS, REPLIES, SYNTHETICS, POSITIVES),
    run=run,
    external=writer_digest,
    needs_server=True,
    leaves=True,
)

if __name__ == "__main__":
    main(STAGE)
