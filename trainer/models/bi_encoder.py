"""The encoder: loading, precision, and embedding many texts without wasted padding.

Texts are tokenised once, then cut into mini batches of like length, each trimmed to its longest text; the embeddings
come back in the order of the texts. Any sentence-transformers model with one tower works; its prompts named ``query``
and ``document`` are used where it has them.

Known weakness: models with a Router (a different tower for queries and documents) always take their default route.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from torch import Tensor

from schemas.encoding import Encoding, read_encoding
from schemas.errors import EngineError
from trainer.device import autocast, keep_quiet

QUERY, DOCUMENT = "query", "document"
Features = dict[str, Any]
_TOKENISED_AT_ONCE = 1024
_DIGESTED = (".json", ".safetensors", ".txt", ".model")


def load_model(path: str | Path, device: torch.device, encoding: Encoding | None = None) -> SentenceTransformer:
    """Load a sentence-transformers model directory, with the prompts of ``encoding``; never asks the network.

    In:     ``encoding`` is what the directory says of itself, unless the recipe has other prefixes.
    Raises: RecipeError when there is no model, or none that says how it pools; EngineError when it cannot be loaded.
    """
    encoding = encoding or read_encoding(path, field="train")
    encoding.check(field="train")
    keep_quiet()
    try:
        model = SentenceTransformer(str(path), device=str(device), local_files_only=True)
    except Exception as error:  # the loader raises whatever its parts raise
        first = " ".join(str(error).split())[:300]
        raise EngineError(
            f"model {path} cannot be loaded ({type(error).__name__}: {first}); try fetching it again"
        ) from error
    for role, prefix in ((QUERY, encoding.query_prefix), (DOCUMENT, encoding.doc_prefix)):
        if prefix != (model.prompts.get(role) or ""):
            model.prompts[role] = prefix  # saved with the model, so that whoever uses it puts the same before a text
    if not isinstance(model[-1], Normalize):
        # Training and search compare cosines, so what is saved must give unit vectors too.
        model.append(Normalize())
    _try_out(model, path)
    return model


def _try_out(model: SentenceTransformer, path: str | Path) -> None:
    """Embed one text: modules that do not fit together load all the same."""
    width, model = model.get_embedding_dimension(), model.eval()
    try:
        with torch.inference_mode():
            found = embed(model, tokenise(model, ["text"], DOCUMENT)).shape[1]
    except Exception as error:  # modules raise whatever their parts raise
        first = " ".join(str(error).split())[:200]
        raise EngineError(
            f"model {path} gives no vectors ({type(error).__name__}: {first}); try fetching it again"
        ) from error
    if found != width:
        raise EngineError(f"model {path} must give vectors of {width} dimensions as it says, got {found}")


def digest_model(path: str | Path) -> str:
    """Return the SHA-256 over the names and bytes of a model's weights, tokeniser and configuration."""
    digest = hashlib.sha256()
    root = Path(path)
    for file in sorted(root.rglob("*")):
        if file.is_file() and file.suffix in _DIGESTED and file.name != "training.json":  # that one holds seconds
            digest.update(str(file.relative_to(root)).encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def tokenise(model: SentenceTransformer, texts: Sequence[str], role: str) -> Features:
    """Return the model's features of N texts, padded to the longest: tensors of shape (N, L), on the CPU."""
    features: Features = model.preprocess(list(texts), prompt=model.prompts.get(role) or None)
    return features


def split_by_length(features: Mapping[str, Any], size: int) -> Iterator[tuple[Tensor, Features]]:
    """Yield (row numbers (n,), their features (n, l)), longest texts first, n <= size, no column of padding only.

    Longest first, so that too large a mini batch runs out of memory at once and not after an hour.
    """
    mask: Tensor = features["attention_mask"]
    order = torch.argsort(mask.sum(dim=1), descending=True, stable=True)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        used = mask[rows].any(dim=0)
        yield (
            rows,
            {
                name: value[rows][:, used]
                if isinstance(value, Tensor) and value.shape == mask.shape
                else value[rows]
                if isinstance(value, Tensor) and value.dim() and len(value) == len(mask)
                else value
                for name, value in features.items()
            },
        )


def embed(model: SentenceTransformer, features: Features) -> Tensor:
    """Return the embeddings (n, H) of one mini batch, in float32."""
    device = model.device
    moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in features.items()}
    embedding: Tensor = model(moved)["sentence_embedding"]
    return embedding.float()


def encode(
    model: SentenceTransformer, texts: Sequence[str], role: str, *, bf16: bool, mini_batch: int = 64
) -> npt.NDArray[np.float32]:
    """Return the unit-length embeddings (N, H) of N texts, in their order.

    Cost: each distinct text is embedded once; token ids of 1,024 texts are held at a time.
    """
    distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    unique = sorted(distinct, key=len, reverse=True)  # like lengths share a tokeniser call
    found = np.zeros((len(unique), model.get_embedding_dimension() or 0), dtype=np.float32)
    model.eval()
    with torch.inference_mode(), autocast(model.device, bf16):
        for start in range(0, len(unique), _TOKENISED_AT_ONCE):
            part = unique[start : start + _TOKENISED_AT_ONCE]
            places = np.array([distinct[text] for text in part])
            for rows, features in split_by_length(tokenise(model, part, role), mini_batch):
                found[places[rows.numpy()]] = embed(model, features).cpu().numpy()
    return found[[distinct[text] for text in texts]]
