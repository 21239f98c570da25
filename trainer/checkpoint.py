"""Checkpoints: weights and optimiser as safetensors, the position as JSON; there in full or not at all.

A checkpoint is written beside its final name and renamed, so a process killed half-way leaves the one before. It
carries the fingerprint of the run (settings, dataset, base model): a checkpoint of another run is refused and never
mixed in.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from schemas.errors import RecipeError, ShardError

_STATE, _WEIGHTS, _OPTIMISER = "state.json", "model.safetensors", "optimizer.safetensors"
_PREFIX = "step-"


@dataclass(frozen=True)
class Position:
    """Where a run stands: optimiser steps done, seconds spent, and what else the loop must remember."""

    step: int
    seconds: float
    memory: dict[str, Any]


def save_checkpoint(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, position: Position, fingerprint: str
) -> None:
    """Write the checkpoint of a step and remove older ones."""
    final = folder / f"{_PREFIX}{position.step:08d}"
    draft = folder / f".draft-{position.step:08d}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in _parameters(model).items()}, draft / _WEIGHTS)
    save_file(_optimiser_tensors(model, optimiser), draft / _OPTIMISER)
    state = {"step": position.step, "seconds": position.seconds, "memory": position.memory, "fingerprint": fingerprint}
    (draft / _STATE).write_text(json.dumps(state), encoding="utf-8")
    for file in draft.iterdir():
        _flush(file)
    shutil.rmtree(final, ignore_errors=True)
    draft.rename(final)
    for other in folder.glob(f"{_PREFIX}*"):
        if other != final:
            shutil.rmtree(other)


def load_checkpoint(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str
) -> Position | None:
    """Put the newest checkpoint into model and optimiser; None when there is none.

    Raises: RecipeError when it belongs to another run; ShardError when it is damaged.
    """
    found = sorted(folder.glob(f"{_PREFIX}*"))
    if not found:
        return None
    try:
        state = json.loads((found[-1] / _STATE).read_text(encoding="utf-8"))
        if state["fingerprint"] != fingerprint:
            raise RecipeError(
                f"--resume must continue the same run, got a checkpoint in {folder} made with other settings, another "
                "dataset or another base model; try without --resume, which starts afresh"
            )
        _restore(model, optimiser, load_file(found[-1] / _WEIGHTS), load_file(found[-1] / _OPTIMISER))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ShardError(f"checkpoint {found[-1]} is damaged ({error}); try without --resume") from error
    return Position(state["step"], state["seconds"], state["memory"])


def _parameters(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in model.named_parameters()}


def _optimiser_tensors(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state by parameter name: ``<name>|exp_avg`` and its like."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"{name}|{key}"] = torch.as_tensor(value).contiguous()
    return tensors


def _restore(
    model: nn.Module, optimiser: torch.optim.Optimizer, weights: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
            optimiser.state[parameter] = {}
    parameters = dict(model.named_parameters())
    for key, value in state.items():
        name, _, slot = key.rpartition("|")
        parameter = parameters[name]
        optimiser.state[parameter][slot] = value.to(parameter.device)


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
