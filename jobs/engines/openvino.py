"""The body of an encoder in calibrated int8 by OpenVINO: nearly twice as fast as PyTorch's bfloat16 on a processor.

Weights and activations of the matrix products become bytes, the rest stays float32. The ranges of activations are
measured once over texts that ship with the package (``calibration.txt``), never over the collection at hand: so the
quantised body depends on the model alone, and with it every vector. It is made once, in a process of its own, checked
against the model itself, and kept under its digest; workers take that file and no other.

The process of its own also keeps OpenVINO's converter quiet: it reports its use to its makers unless it runs in CI.
Source: OpenVINO and NNCF (post-training quantisation, SmoothQuant: Xiao et al. 2023).
Known weakness: a processor without int8 products (VNNI, AMX) would be slower by it; bodies other than BERT's are left
to PyTorch.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.store.files import digest_of, directory_digest, file_sha256
from schemas.errors import EngineError

PACKAGES = ("openvino", "nncf")  # of the extra ``openvino``
TEXTS = Path(__file__).with_name("calibration.txt")
BODY, WEIGHTS = "body.xml", "body.bin"
LEAST_COSINE = 0.99  # of quantised and whole vectors, the mean over the texts; MiniLM has .997
_BODIES = ("bert",)
_ROWS = 8  # texts of a pass while calibrating


def is_installed() -> bool:
    """Return whether the packages are there."""
    return all(importlib.util.find_spec(name) is not None for name in PACKAGES)


def fits(model: Path) -> bool:
    """Return whether this machine multiplies bytes, and the model is of a kind that is quantised here."""
    import torch

    has_bytes = getattr(torch.cpu, "_is_vnni_supported", lambda: False)()  # torch has no public question for it
    with suppress(OSError, ValueError, AttributeError):
        return bool(has_bytes) and json.loads((model / "config.json").read_text("utf-8")).get("model_type") in _BODIES
    return False


def recipe_of_body() -> str:
    """Return a digest of what decides a quantised body besides the model."""
    return digest_of([file_sha256(TEXTS), {name: importlib.metadata.version(name) for name in PACKAGES}])


def digest_of_body(folder: Path) -> str:
    """Return the digest of a quantised body's files, whatever else lies beside them."""
    return digest_of([file_sha256(folder / name) for name in (BODY, WEIGHTS)])


def quantise(model: Path, home: Path, max_length: int) -> Path:
    """Return the folder of the model's quantised body below ``home``, made if it is not there yet.

    Cost:   some 15 s of one core, once a model.
    Raises: EngineError when it cannot be made, or its vectors are others than the model's.
    """
    folder = home / digest_of([directory_digest(model), recipe_of_body(), max_length])
    if all((folder / name).is_file() for name in (BODY, WEIGHTS)):
        return folder
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    partial.mkdir(parents=True)
    quiet = {"CI": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "jobs.engines.openvino", str(model), str(partial), str(max_length)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **quiet})
        if ran.returncode:
            said = next((line for line in reversed(ran.stderr.splitlines()) if "Error" in line), "no message")
            raise EngineError(f"OpenVINO could not quantise {model.name}: {said[:300]}; try encoder.backend: torch")
        with suppress(OSError):  # another build was faster, and made the same
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


class QuantisedBody:
    """A quantised body on one thread."""

    def __init__(self, folder: Path) -> None:
        """Load it. Raises: EngineError when it is not there, or OpenVINO is not installed where it is asked for."""
        try:
            import openvino

            settings = {
                "INFERENCE_NUM_THREADS": 1,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,  # the workers of a machine would all be pinned to its first core
                "INFERENCE_PRECISION_HINT": "f32",  # of what is not int8
            }
            core = openvino.Core()
            self._request = core.compile_model(str(folder / BODY), "CPU", settings).create_infer_request()
        except (ImportError, RuntimeError) as error:
            said = " ".join(str(error).split())[:200]
            fault = f"OpenVINO cannot open {folder} ({type(error).__name__}: {said})"
            raise EngineError(f"{fault}; try encoder.backend: torch, or install openvino on every worker") from error

    def __call__(self, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the last hidden state, (B, L, H), of token ids and mask, (B, L)."""
        return np.array(self._request.infer([ids, mask])[0], np.float32)


def _quantise_here(model: Path, out: Path, max_length: int) -> None:
    """Convert, calibrate, check and write the body of a model."""
    import logging

    import nncf
    import openvino
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(1)
    nncf.set_log_level(logging.ERROR)
    tokenizer = AutoTokenizer.from_pretrained(str(model), local_files_only=True)
    whole = AutoModel.from_pretrained(str(model), attn_implementation="eager", local_files_only=True).float().eval()

    class Body(torch.nn.Module):
        """Takes a mask of tokens as one that is added: how transformers makes it of the other cannot be traced."""

        def __init__(self) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, ids: Any, mask: Any) -> Any:
            added = (1.0 - mask[:, None, None, :].float()) * -1e9
            return self.whole(input_ids=ids, attention_mask=added.expand(-1, 1, ids.shape[1], -1)).last_hidden_state

    texts = TEXTS.read_text(encoding="utf-8").splitlines()
    batches = []
    for start in range(0, len(texts), _ROWS):
        part = tokenizer(
            texts[start : start + _ROWS], truncation=True, max_length=max_length, padding=True, return_tensors="pt"
        )
        batches.append((part["input_ids"], part["attention_mask"]))
    converted = openvino.convert_model(Body(), example_input=batches[0])
    given = nncf.Dataset([(ids.numpy(), mask.numpy()) for ids, mask in batches])
    small = nncf.quantize(
        converted,
        given,
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(batches),
    )
    openvino.save_model(small, str(out / BODY), compress_to_fp16=False)
    body, cosines = QuantisedBody(out), []
    for ids, mask in batches:
        with torch.inference_mode():
            wanted = Body()(ids, mask).numpy()
        found = body(ids.numpy(), mask.numpy())
        shown = mask.numpy()[..., None]
        pooled = [(each * shown).sum(axis=1) for each in (wanted, found)]
        lengths = np.linalg.norm(pooled[0], axis=1) * np.linalg.norm(pooled[1], axis=1)
        cosines += ((pooled[0] * pooled[1]).sum(axis=1) / lengths).tolist()
    if not np.mean(cosines) >= LEAST_COSINE:
        raise EngineError(
            f"quantised vectors must have a cosine of {LEAST_COSINE} to the model's, got {np.mean(cosines):.3f}"
        )


if __name__ == "__main__":
    _quantise_here(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
