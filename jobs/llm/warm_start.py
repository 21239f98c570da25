"""A vLLM of our own is started while Spark is at work on earlier stages."""

from __future__ import annotations

from psutil import virtual_memory

from jobs.engines.vllm.server import VllmServer
from jobs.llm.model import LOG, server_settings, why_no_model
from jobs.runtime.workspace import Workspace
from jobs.spark.workers import has_gpu

_ROOM = 8 << 30  # bytes: what a build may take


def start_ahead(workspace: Workspace) -> None:
    """Start vLLM while Spark is at work on earlier stages: most of its start is one thread that loads Python modules.

    It gets to where its engine starts, at 1.2 GB. Not where memory may be scarce, and not with a GPU.
    """
    cfg = workspace.recipe.synthesise
    if not cfg.enabled or cfg.url is not None or why_no_model(cfg) or has_gpu():
        return
    settings = server_settings(workspace.recipe)
    if (settings.model / "config.json").is_file() and virtual_memory().available > _ROOM:
        workspace.server = VllmServer(settings, workspace.logs / LOG)
        workspace.server.start()
