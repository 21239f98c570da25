"""The language model's replies, for every stage that has it write: asked through the journal.

What the journal has is not asked again. The server is started only when something is missing, and Spark stops for it.
Prompts lie on disk; in memory are their ids, and the replies, which are short.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.cache.replies import Journal, Written, reply_key
from jobs.engines.vllm.client import CHAT, COMPLETIONS, Endpoint, OpenAiGenerator
from jobs.engines.vllm.server import VllmServer
from jobs.llm.model import LOG, server_settings
from jobs.llm.prompts_on_disk import StoredRequests, read_prompts
from jobs.runtime.stage import Run
from jobs.store.layout import JOURNALS
from pipeline.ports import Generator
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.prompts import STOP
from schemas.errors import EngineError
from schemas.pairs import NEGATIVE, QUERY

MANY_REFUSED = 100  # so many, and no reply at all: the rest is not asked


def fetch_replies(asked: Path, run: Run, model: str) -> dict[str, Written]:
    """Return a reply for each request of a folder: from the journal, and for the rest from the server.

    In order of request_id.
    Raises: EngineError when the server is gone, or refuses every request that was ever made.
    """
    cfg = run.recipe.synthesise
    with Journal(run.cache_dir / JOURNALS / model) as journal:
        keys: dict[str, str] = {}
        missing: dict[str, tuple[str, str]] = {}  # by key: documents with the same beginning make the same prompt
        for request, kind, prompt in read_prompts(asked):
            key = keys[request] = _key(prompt, kind, cfg, run.recipe.seed)
            if key not in journal:
                missing.setdefault(key, (request, kind))
        refused: dict[str, str] = {}
        if missing:
            started = time.monotonic()
            with generators_for(run) as generators:
                run.note(server_seconds=round(time.monotonic() - started, 1))
                with run.time_engine("llm"):
                    refused = _ask(asked, list(missing.values()), keys, generators, journal, run)
                paths = {each.endpoint.path for each in generators.values() if isinstance(each, OpenAiGenerator)}
                run.note(endpoint=", ".join(f"/{path}" for path in sorted(paths)))
                if CHAT in paths:
                    run.note(remarks=[f"the server was asked at /{CHAT}: it has no /{COMPLETIONS}"])
        _check_refused(refused, keys, journal)
        run.note(asked=len(missing), remembered=len(keys) - len(missing), refused=len(refused))
        return {request: journal.get(key) or Written("", "error") for request, key in sorted(keys.items())}


def _ask(
    asked: Path,
    missing: Sequence[tuple[str, str]],
    keys: Mapping[str, str],
    generators: Mapping[str, Generator],
    journal: Journal,
    run: Run,
) -> dict[str, str]:
    """Have the requests answered, each reply stored as it comes; return what the server refused for good, and why.

    Raises: EngineError when the server is gone; what it answered is stored.
    """
    refused: dict[str, str] = {}
    done = 0
    for kind in (QUERY, NEGATIVE):
        requests = StoredRequests(asked, frozenset(request for request, each in missing if each == kind))
        if not requests:  # to find none, all prompts would be read
            continue
        for reply in generators[kind].complete(requests, **_generation(kind, run.recipe.synthesise, run.recipe.seed)):
            done += 1
            if reply.error:
                refused[reply.request_id] = reply.error
                if done == len(refused) == MANY_REFUSED:  # each may have been tried for half a minute
                    _check_refused(refused, keys, journal)
            else:
                journal.append(keys[reply.request_id], Written(reply.text, reply.finish_reason))
            run.progress(done, len(missing), "replies")
    return refused


def _check_refused(refused: Mapping[str, str], keys: Mapping[str, str], journal: Journal) -> None:
    """Raise an EngineError where requests were refused and none was ever answered."""
    if refused and not any(key in journal for key in keys.values()):
        why = next(iter(refused.values()))
        raise EngineError(f"the server refuses every request: {why}; check synthesise in the recipe")


@contextmanager
def generators_for(run: Run) -> Iterator[Mapping[str, Generator]]:
    """Open the recipe's server, or start vLLM on a free port and stop it at the end: a generator for each kind.

    Raises: EngineError when it does not come up; RecipeError when there is no such model.
    """
    cfg = run.recipe.synthesise
    if cfg.url is not None:
        yield _by_kind(OpenAiGenerator(cfg.url, cfg.model_name or "", cfg.api_key_env, in_flight=cfg.concurrency), cfg)
        return
    settings = server_settings(run.recipe)
    run.progress(0, 1, "starting vLLM")
    run.stop_spark()  # frames read before this are dead
    with run.server_ahead or VllmServer(settings, run.log_dir / LOG) as server:
        ours = OpenAiGenerator(
            server.base_url,
            settings.served_name,
            in_flight=cfg.concurrency,
            alive=lambda: server.alive,
            key=server.key,
            endpoint=Endpoint(is_settled=True),
        )
        yield _by_kind(ours, cfg)


def _by_kind(generator: OpenAiGenerator, cfg: SynthesiseConfig) -> Mapping[str, Generator]:
    penalty = {"repetition_penalty": cfg.negative_penalty} if cfg.negative_penalty > 1 else {}
    return {QUERY: generator, NEGATIVE: replace(generator, extra=penalty)}


def _generation(kind: str, cfg: SynthesiseConfig, seed: int) -> dict[str, Any]:
    tokens = cfg.query_tokens if kind == QUERY else cfg.negative_tokens
    return {"max_tokens": tokens, "temperature": cfg.temperature, "seed": seed, "stop": STOP}


def _key(prompt: str, kind: str, cfg: SynthesiseConfig, seed: int) -> str:
    penalty = cfg.negative_penalty if kind == NEGATIVE else 1.0
    return reply_key(prompt, **_generation(kind, cfg, seed), penalty=penalty)
