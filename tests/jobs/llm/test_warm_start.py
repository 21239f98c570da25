"""The server starts ahead where there is room for it, and nowhere else."""

from types import SimpleNamespace

import pytest

import jobs.llm.warm_start as module
from pipeline.synthesise.config import SynthesiseConfig


@pytest.mark.parametrize(
    ("cfg", "gpu", "available", "starts"),
    [
        ({}, False, 9 << 30, True),
        ({}, False, 8 << 30, False),
        ({}, True, 99 << 30, False),
        ({"enabled": False}, False, 99 << 30, False),
        ({"url": "http://127.0.0.1:1/v1", "model_name": "m"}, False, 99 << 30, False),
        ({"model": "missing"}, False, 99 << 30, False),
    ],
)
def test_the_server_starts_ahead_where_there_is_room_for_it(tmp_path, monkeypatch, cfg, gpu, available, starts):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    started = []
    monkeypatch.setattr("jobs.llm.model.why_no_vllm", lambda: None)
    monkeypatch.setattr(module, "has_gpu", lambda: gpu)
    monkeypatch.setattr(module, "virtual_memory", lambda: SimpleNamespace(available=available))
    monkeypatch.setattr(module.VllmServer, "start", lambda self: started.append(self.settings.model.name))
    recipe = SimpleNamespace(
        synthesise=SynthesiseConfig(**{"model": "model", **cfg}), model_path=lambda name: tmp_path / name
    )
    workspace = SimpleNamespace(recipe=recipe, logs=tmp_path, server=None)

    module.start_ahead(workspace)

    assert started == (["model"] if starts else [])
    assert (workspace.server is not None) == starts
