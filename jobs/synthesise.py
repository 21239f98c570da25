"""Stage synthesise: a language model writes queries and hard negatives; what passes the gates joins the positives."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame

from jobs.engines.lucene import search_bm25
from jobs.engines.vllm import OpenAiGenerator, ServerSettings, VllmServer, why_no_vllm
from jobs.entry import main
from jobs.index import LUCENE
from jobs.journal import Journal, Written, reply_key
from jobs.stage_run import StageRun
from jobs.stages import Stage
from jobs.store import digest_of, directory_digest
from pipeline.contract import frame_of, kept
from pipeline.ports import GenerationRequest, Generator
from pipeline.recipe import Recipe
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.prompts import STOP
from pipeline.synthesise.replies import flag_protected, judge_synthetics, parse_replies, unite_positives
from pipeline.synthesise.requests import SHOT_SEARCH_DEPTH, add_shot_negatives, choose_shots, plan_requests
from schemas.documents import DOCUMENTS, DOMAINS, EVAL_CORPUS, EVAL_QUERIES
from schemas.errors import EngineError
from schemas.pairs import NEGATIVE, POSITIVES, QUERY, REPLIES, REQUESTS, SYNTHETICS

_KEPT = "kept"
_OFF = "off"  # no model: the digest of a build without synthesis


def run(run: StageRun) -> None:
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
    run.write(unite_positives(run.read(POSITIVES), run.written(SYNTHETICS), run.read(DOMAINS)), POSITIVES)
    rates = _rates(run.written(SYNTHETICS))
    run.note(model=run.digests["model"], written=rates, headline="; ".join(map(_said, rates.items())))


def why_off(cfg: SynthesiseConfig) -> str | None:
    """Return in one line why nothing is written here, None when something is."""
    if not cfg.enabled:
        return "nothing is synthesised: it is off in the recipe"
    fault = why_no_vllm() if cfg.url is None else None
    return f"nothing is synthesised: {fault}" if fault else None


def plan(run: StageRun) -> DataFrame:
    """Return REQUESTS; the shots are searched for their negatives first."""
    cfg, seed = run.recipe.synthesise, run.recipe.seed
    documents, domains, gold = run.read(DOCUMENTS), run.read(DOMAINS), run.read(POSITIVES)
    chosen = choose_shots(documents, domains, gold, cfg, seed)
    hits = search_bm25(chosen.select("query_id", "query").distinct(), run.source_of(LUCENE), SHOT_SEARCH_DEPTH)
    shots = add_shot_negatives(chosen, hits, documents, gold)
    return plan_requests(documents, domains, gold, shots, cfg, seed)


def answer(run: StageRun) -> DataFrame:
    """Return REPLIES: from the journal, and for the rest from the server, which is started only when it is needed.

    Raises: EngineError when the server is gone, or refuses every request that was ever made.
    """
    cfg, digest = run.recipe.synthesise, run.digests["model"]
    asked = [(row.request_id, row.kind, row.prompt) for row in run.written(REQUESTS).collect()]
    with Journal(run.cache_dir / "replies" / digest) as journal:
        keys = {request: _key(prompt, kind, cfg, run.recipe.seed) for request, kind, prompt in asked}
        # In the order of the prompts: those that share their shots are in flight together.
        # Documents with the same beginning may make the same prompt: it is asked once.
        open_keys = {keys[each[0]]: each for each in sorted(asked, reverse=True) if keys[each[0]] not in journal}
        missing = sorted(open_keys.values(), key=lambda each: (each[2], each[0]))
        refused: dict[str, str] = {}
        if missing:
            started = time.monotonic()
            with generators_for(run) as generators:
                run.note(server_seconds=round(time.monotonic() - started, 1))
                with run.timed("llm"):
                    refused = ask(missing, keys, generators, journal, run)
        if refused and not any(key in journal for key in keys.values()):
            why = next(iter(refused.values()))
            raise EngineError(f"the server refuses every request: {why}; check synthesise in the recipe")
        run.note(asked=len(missing), remembered=len(asked) - len(missing), refused=len(refused))
        got = [(request, journal.get(key) or Written("", "error")) for request, key in sorted(keys.items())]
    return frame_of(run.spark, REPLIES, [(request, w.reply, w.finish_reason, digest) for request, w in got])


def ask(
    missing: Sequence[tuple[str, str, str]], keys: Mapping[str, str], generators: Mapping[str, Generator],
    journal: Journal, run: StageRun,
) -> dict[str, str]:
    """Have the requests answered, each reply stored as it comes; return what the server refused for good, and why.

    Raises: EngineError when the server is gone; what it answered is stored.
    """
    refused: dict[str, str] = {}
    done = 0
    for kind in (QUERY, NEGATIVE):
        requests = [GenerationRequest(request, prompt) for request, each, prompt in missing if each == kind]
        for reply in generators[kind].complete(requests, **_generation(kind, run.recipe.synthesise, run.recipe.seed)):
            done += 1
            if reply.error:
                refused[reply.request_id] = reply.error
            else:
                journal.append(keys[reply.request_id], Written(reply.text, reply.finish_reason))
            run.progress(done, len(missing), "replies")
    return refused


def judge(run: StageRun) -> DataFrame:
    """Return SYNTHETICS: parsed and gated replies."""
    cfg, documents = run.recipe.synthesise, run.read(DOCUMENTS)
    folder = str(run.scratch / "parsed")
    parse_replies(run.written(REQUESTS), run.written(REPLIES), documents, cfg).write.parquet(folder)
    parsed = run.spark.read.parquet(folder)  # read four times below, parsed once
    leaks = flag_protected(parsed, run.read(EVAL_CORPUS), run.read(EVAL_QUERIES), run.recipe.guard,
                           run.recipe.pair.protect_similarity)
    queries = kept(parsed).where(f"kind = '{QUERY}'").groupBy("text_id").agg({"text": "min"}).toDF("query_id", "query")
    hits = search_bm25(queries, run.source_of(LUCENE), cfg.round_trip_depth).select("query_id", "doc_id", "rank")
    return judge_synthetics(parsed, hits, leaks, run.read(POSITIVES), cfg)


@contextmanager
def generators_for(run: StageRun) -> Iterator[Mapping[str, Generator]]:
    """Open the recipe's server, or start vLLM on a free port and stop it at the end: a generator for each kind.

    Raises: EngineError when it does not come up; RecipeError when there is no such model.
    """
    cfg = run.recipe.synthesise
    if cfg.url is not None:
        yield _by_kind(OpenAiGenerator(cfg.url, cfg.model_name or "", cfg.api_key_env, in_flight=cfg.concurrency), cfg)
        return
    settings = ServerSettings(run.recipe.model_path(cfg.model), max_model_len=cfg.context_tokens,
                              max_num_seqs=cfg.concurrency, start_seconds=float(cfg.startup_seconds))
    run.progress(0, 1, "starting vLLM")
    run.stop_spark()  # frames read before this are dead
    with VllmServer(settings, run.log_dir / "vllm.log") as server:
        yield _by_kind(OpenAiGenerator(server.base_url, settings.served_name, in_flight=cfg.concurrency,
                                       alive=lambda: server.alive), cfg)


def _by_kind(generator: OpenAiGenerator, cfg: SynthesiseConfig) -> Mapping[str, Generator]:
    penalty = {"repetition_penalty": cfg.negative_penalty} if cfg.negative_penalty > 1 else {}
    return {QUERY: generator, NEGATIVE: replace(generator, extra=penalty)}


def model_digest(recipe: Recipe) -> dict[str, str]:
    """Return the digest of what writes: the model's files, or the server and the name it is asked under."""
    cfg = recipe.synthesise
    if why_off(cfg):
        return {"model": _OFF}
    if cfg.url is not None:
        return {"model": digest_of([cfg.url, cfg.model_name])}
    return {"model": directory_digest(recipe.model_path(cfg.model))}


def _generation(kind: str, cfg: SynthesiseConfig, seed: int) -> dict[str, Any]:
    tokens = cfg.query_tokens if kind == QUERY else cfg.negative_tokens
    return {"max_tokens": tokens, "temperature": cfg.temperature, "seed": seed, "stop": STOP}


def _key(prompt: str, kind: str, cfg: SynthesiseConfig, seed: int) -> str:
    penalty = cfg.negative_penalty if kind == NEGATIVE else 1.0
    return reply_key(prompt, **_generation(kind, cfg, seed), penalty=penalty)


def _rates(synthetics: DataFrame) -> dict[str, dict[str, int]]:
    """Return counts by kind and drop_reason; "kept" for null."""
    counted: dict[str, dict[str, int]] = {QUERY: {}, NEGATIVE: {}}
    for row in synthetics.groupBy("kind", "drop_reason").count().collect():
        counted[row["kind"]][row["drop_reason"] or _KEPT] = row["count"]
    return counted


def _said(counted: tuple[str, Mapping[str, int]]) -> str:
    """Return, e.g., ``300 -> 75 queries (round_trip_failed 120, copy_of_source 105)``."""
    kind, counts = counted
    kept_rows, dropped = counts.get(_KEPT, 0), {why: count for why, count in counts.items() if why != _KEPT}
    most_first = sorted(dropped.items(), key=lambda each: (-each[1], each[0]))
    reasons = ", ".join(f"{why} {count:,}" for why, count in most_first)
    plural = {QUERY: "queries", NEGATIVE: "negatives"}[kind]
    return f"{sum(counts.values()):,} -> {kept_rows:,} {plural}" + (f" ({reasons})" if reasons else "")


STAGE = Stage(
    name="synthesise", version=2,
    settings=("synthesise", "guard", "pair"),
    inputs={DOCUMENTS: "guard", DOMAINS: "bucket", POSITIVES: "pair", EVAL_CORPUS: "holdout", EVAL_QUERIES: "holdout",
            LUCENE: "index"},
    outputs=(REQUESTS, REPLIES, SYNTHETICS, POSITIVES),
    run=run,
    external=model_digest,
    leaves=True,
)

if __name__ == "__main__":
    main(STAGE)
