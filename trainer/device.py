"""What the trainer computes on: device, threads, precision; and libraries that keep to themselves."""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager
from typing import Any

import torch


def pick_device() -> torch.device:
    """Return the GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Say whether the matrix products run in bfloat16: ``auto`` means where the hardware computes in it.

    A CPU without such instructions emulates bfloat16 and is slower than in float32.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # torch has no public question for it
    return any(getattr(torch.cpu, name, lambda: False)() for name in asked)


def set_threads(threads: int) -> int:
    """Use so many CPU threads (0 = all cores given to this process); return the number."""
    count = threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(count)
    return count


def make_deterministic() -> None:
    """Choose kernels that give the same bits every time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True)
    # Nothing here reads memory that it did not write, and filling it costs a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager[Any]:
    """Return the context in which matrix products run in bfloat16, or do not."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


def keep_quiet() -> None:
    """Keep the progress bars and hints of the libraries out of the terminal."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
