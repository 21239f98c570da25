"""The language model that writes, for every stage that has it write: opened, asked through the journal, and named.

What the journal has is not asked again. The server is started only when something is missing, and Spark stops for it.
Prompts lie on disk, a passage of a corpus may have one each; in memory are their ids, and the replies, which are short.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from psutil import virtual_memory
from pyspark.sql import DataFrame

from jobs.cache.replies import Journal, Written, reply_key
from jobs.engines.vllm.server import OpenAiGenerator, ServerSettings, VllmServer, why_no_vllm
from jobs.runtime.stage import Run
from jobs.runtime.workspace import Workspace
from jobs.spark.workers import has_gpu
from jobs.store.files import digest_of, directory_digest
from jobs.store.layout import JOURNALS
from pipeline.ports import GenerationRequest, Generator
from pipeline.recipe import Recipe
from pipeline.synthesise.config import SynthesiseConfig
from pipeline.synthesise.prompts import STOP
from schemas.errors import EngineError
from schemas.pairs import NEGATIVE, QUERY

_LOG = "vllm.log"
_ROOM = 8 << 30  # bytes: what a build may take
OFF = "off"  # no model: the digest of a build in which nothing is written

_ASKED = ["request_id", "kind", "prompt"]
_ROWS = 1024  # prompts read at a time


@dataclass(frozen=True)
class StoredRequests:
    """Some of the prompts of a folder."""

    folder: Path
    chosen: frozenset[str]  # request ids

    def __iter__(self) -> Iterator[GenerationRequest]:
        """Yield them in the order of the folder."""
        return (
            GenerationRequest(request, prompt)
            for request, _, prompt in read_prompts(self.folder)
            if request in self.chosen
        )

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.chosen)


def why_no_model(cfg: SynthesiseConfig) -> str | None:
    """Return in one line why there is no model that could write here, None when there is."""
    return why_no_vllm() if cfg.url is None else None


def model_digest(recipe: Recipe) -> str:
    """Return the digest of what writes: the model's files, or the server and the name it is asked under."""
    cfg = recipe.synthesise
    if why_no_model(cfg):
        return OFF
    if cfg.url is not None:
        return digest_of([cfg.url, cfg.model_name])
    return directory_digest(recipe.model_path(cfg.model))


def store_prompts(asked: DataFrame, run: Run) -> Path:
    """Return a folder with what is asked: request_id, kind, prompt; those that share their shots follow each other."""
    folder = run.scratch / "asked"
    asked.select(*_ASKED).repartition(1).sortWithinPartitions("prompt", "request_id").write.parquet(str(folder))
    return folder


def read_prompts(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield id, kind and prompt of every request of a folder, some at a time, in their order."""
    for file in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_ROWS, columns=_ASKED):
            yield from zip(*(batch.column(name).to_pylist() for name in _ASKED), strict=True)


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
        if refused and not any(key in journal for key in keys.values()):
            why = next(iter(refused.values()))
            raise EngineError(f"the server refuses every request: {why}; check synthesise in the recipe")
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
            else:
                journal.append(keys[reply.request_id], Written(reply.text, reply.finish_reason))
            run.progress(done, len(missing), "replies")
    return refused


@contextmanager
def generators_for(run: Run) -> Iterator[Mapping[str, Generator]]:
    """Open the recipe's server, or start vLLM on a free port and stop it at the end: a generator for each kind.

    Raises: EngineError when it does not come up; RecipeError when there is no such model.
    """
    cfg = run.recipe.synthesise
    if cfg.url is not None:
        yield _by_kind(OpenAiGenerator(cfg.url, cfg.model_name or "", cfg.api_key_env, in_flight=cfg.concurrency), cfg)
        return
    settings = _server_settings(run.recipe)
    run.progress(0, 1, "starting vLLM")
    run.stop_spark()  # frames read before this are dead
    with run.server_ahead or VllmServer(settings, run.log_dir / _LOG) as server:
        yield _by_kind(
            OpenAiGenerator(
                server.base_url, settings.served_name, in_flight=cfg.concurrency, alive=lambda: server.alive
            ),
            cfg,
        )


def start_ahead(workspace: Workspace) -> None:
    """Start vLLM while Spark is at work on earlier stages: most of its start is one thread that loads Python modules.

    It gets to where its engine starts, at 1.2 GB. Not where memory may be scarce, and not with a GPU.
    """
    cfg = workspace.recipe.synthesise
    if not cfg.enabled or cfg.url is not None or why_no_model(cfg) or has_gpu():
        return
    settings = _server_settings(workspace.recipe)
    if (settings.model / "config.json").is_file() and virtual_memory().available > _ROOM:
        workspace.server = VllmServer(settings, workspace.logs / _LOG)
        workspace.server.start()


def _server_settings(recipe: Recipe) -> ServerSettings:
    cfg = recipe.synthesise
    return ServerSettings(
        recipe.model_path(cfg.model),
        max_model_len=cfg.context_tokens,
        max_num_seqs=cfg.concurrency,
        start_seconds=float(cfg.startup_seconds),
    )


def _by_kind(generator: OpenAiGenerator, cfg: SynthesiseConfig) -> Mapping[str, Generator]:
    penalty = {"repetition_penalty": cfg.negative_penalty} if cfg.negative_penalty > 1 else {}
    return {QUERY: generator, NEGATIVE: replace(generator, extra=penalty)}


def _generation(kind: str, cfg: SynthesiseConfig, seed: int) -> dict[str, Any]:
    tokens = cfg.query_tokens if kind == QUERY else cfg.negative_tokens
    return {"max_tokens": tokens, "temperature": cfg.temperature, "seed": seed, "stop": STOP}


def _key(prompt: str, kind: str, cfg: SynthesiseConfig, seed: int) -> str:
    penalty = cfg.negative_penalty if kind == NEGATIVE else 1.0
    return reply_key(prompt, **_generation(kind, cfg, seed), penalty=penalty)
