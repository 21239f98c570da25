"""Which language model a recipe has write: whether it is there, how its server runs, and its digest."""

from __future__ import annotations

from jobs.engines.vllm.server import ServerSettings, why_no_vllm
from jobs.store.files import digest_of, directory_digest
from pipeline.recipe import Recipe
from pipeline.synthesise.config import SynthesiseConfig

LOG = "vllm.log"
OFF = "off"  # no model: the digest of a build in which nothing is written


def why_no_model(cfg: SynthesiseConfig) -> str | None:
    """Return in one line why there is no model that could write here, None when there is."""
    if cfg.url is not None:
        return None
    return why_no_vllm() if cfg.model else "no language model is named; try synthesise.model, or synthesise.url"


def model_digest(recipe: Recipe) -> str:
    """Return the digest of what writes: the model's files, or the server and the name it is asked under."""
    cfg = recipe.synthesise
    if why_no_model(cfg):
        return OFF
    if cfg.url is not None:
        return digest_of([cfg.url, cfg.model_name])
    return directory_digest(recipe.model_path(cfg.model))


def server_settings(recipe: Recipe) -> ServerSettings:
    """Return how the server of a recipe's own model runs."""
    cfg = recipe.synthesise
    return ServerSettings(
        recipe.model_path(cfg.model),
        max_model_len=cfg.context_tokens,
        max_num_seqs=cfg.concurrency,
        start_seconds=float(cfg.startup_seconds),
    )
