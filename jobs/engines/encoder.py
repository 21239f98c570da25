"""A sentence-transformers model as an encoder whose vectors depend on nothing but the text.

Matrix kernels choose their blocking by the shape of the batch, so the same text padded to another length, or beside
fewer texts, comes out a few bits different, and a rerun on other partitions ranks near ties another way. Here every
forward pass has one of a few shapes: a text is padded to the first of LENGTHS that holds it, and each length has a
fixed number of rows, filled up with empty texts. On a CPU one thread computes. So a text's vector is the same bits
whatever shares its call, and its partition.

Known weakness: another processor family, torch release or device may give other bits (the digest tells them apart).
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jobs.engines import openvino
from jobs.engines.device import MOST_DEVICES, task_device
from jobs.engines.embedding_server import OpenServer
from jobs.engines.openvino import QuantisedBody
from jobs.engines.quiet import quiet_libraries
from jobs.store.files import digest_of, directory_digest, directory_stamp
from jobs.store.layout import BODIES
from pipeline.index.config import EncoderConfig
from pipeline.ports import FloatMatrix
from pipeline.recipe import Recipe
from schemas.encoding import Encoding, read_encoding
from schemas.errors import EngineError, RecipeError, rule

LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192)
CPU_TOKENS, GPU_TOKENS = 1024, 65_536  # of a forward pass: what fits a core's cache, and what fills a GPU
TORCH, OPENVINO = "torch", "openvino"  # what computes a model's body
LIBRARIES = ("torch", "transformers", "sentence-transformers")  # whose releases may change the bits of a vector
TOKENISED = 256  # texts handed to the tokenizer at a time
MAX_CHARS_A_TOKEN = 64  # what lies beyond max_length times this is cut before it is tokenised: 50 MB take no minutes


@dataclass(frozen=True)
class OpenEncoder:
    """Opens the encoder of a configuration in any process; picklable, and opened once a process and device."""

    path: str
    config: EncoderConfig
    files: str = ""  # digest of the model's files; where it is given, a worker that finds others refuses them
    body: str = ""  # folder of the quantised body that computes on processors; none where torch does
    bits: str = ""  # digest of what lies in it

    def __call__(self) -> SentenceEncoder:
        """Return this process's encoder. Raises: RecipeError, EngineError."""
        engine = _open_once(self, task_device(), directory_stamp(Path(self.path)))
        if self.files not in ("", engine.files):
            raise EngineError(f"model {self.path} has changed while it was in use; try building again")
        return engine

    def closed_digest(self) -> str:
        """Digest of what decides the bits of a vector in this process; the model stays closed."""
        device = task_device()
        found = _digest(self.files or directory_digest(Path(self.path)), self.config, device)
        return digest_of([found, self.bits]) if self.bits and device == "cpu" else found

    def backend(self) -> str:
        """Return what computes the model's body on processors."""
        return OPENVINO if self.body else TORCH


def open_encoder(recipe: Recipe, cache: Path | None = None) -> OpenEncoder | OpenServer:
    """Return the factory of the recipe's encoder; its ``config`` has the prefixes that are put before texts.

    ``cache``: the folder of the workspace's caches, where a quantised body is kept; without it, torch computes.

    Cost:   where OpenVINO is to compute, a quantised body, once a model.
    Raises: RecipeError when its model is not there, or cannot make vectors as the recipe wants them.
            EngineError when the recipe asks for OpenVINO by name, and it cannot.
    """
    query, document = encoder_prefixes(recipe)
    config = recipe.encoder.model_copy(update={"query_prefix": query, "doc_prefix": document})
    if recipe.encoder.url is not None:
        return OpenServer(config)
    model = _read_recipe(recipe).model
    files = directory_digest(model)
    if cache is None or choose_backend(recipe.encoder, model) == TORCH:
        return OpenEncoder(str(model), config, files)
    try:
        body = openvino.quantise(model, cache / BODIES, config.max_length)
    except EngineError:
        if recipe.encoder.backend == OPENVINO:
            raise
        return OpenEncoder(str(model), config, files)
    return OpenEncoder(str(model), config, files, str(body), openvino.digest_of_body(body))


def choose_backend(cfg: EncoderConfig, model: Path) -> str:
    """Return what computes the model's body, decided once a build, by the process that starts it.

    Raises: RecipeError when the recipe names OpenVINO, and it cannot compute this model here.
    """
    if cfg.backend == OPENVINO:
        if not openvino.is_installed():
            raise RecipeError(rule("encoder.backend", "torch or auto where openvino is not installed", OPENVINO))
        if not openvino.fits(model):
            must_be = "torch or auto for this body, or on this processor"
            raise RecipeError(rule("encoder.backend", must_be, OPENVINO))
        return OPENVINO
    is_asked = cfg.backend == "auto" and cfg.dtype == "auto" and task_device() == "cpu"
    return OPENVINO if is_asked and openvino.is_installed() and openvino.fits(model) else TORCH


def encoder_prefixes(recipe: Recipe) -> tuple[str, str]:
    """Return what is put before queries and documents: the recipe's words, else the model's own, of a server none.

    Raises: RecipeError as :func:`open_encoder` does.
    """
    if recipe.encoder.url is not None:
        return recipe.encoder.query_prefix or "", recipe.encoder.doc_prefix or ""
    encoding = _read_recipe(recipe)
    return encoding.query_prefix, encoding.doc_prefix


def encoder_files(recipe: Recipe) -> Mapping[str, str]:
    """Return the digest of the encoder's files, or of the server that encodes: other weights are another build.

    Raises: RecipeError as :func:`open_encoder` does, before Spark has started.
    """
    if recipe.encoder.url is not None:
        return {"encoder": OpenServer(recipe.encoder).closed_digest()}
    model = _read_recipe(recipe).model
    found = {"encoder": directory_digest(model)}
    if choose_backend(recipe.encoder, model) == OPENVINO:
        found["backend of the encoder"] = openvino.recipe_of_body()
    return found


def _read_recipe(recipe: Recipe) -> Encoding:
    cfg = recipe.encoder
    encoding = read_encoding(recipe.model_path(cfg.model), cfg.query_prefix, cfg.doc_prefix)
    encoding.check(cfg.max_length)
    return encoding


@functools.lru_cache(maxsize=MOST_DEVICES)
def _open_once(opener: OpenEncoder, device: str, _: object) -> SentenceEncoder:
    """Return the encoder of files with this stamp: one whose files changed is opened again."""
    return SentenceEncoder(Path(opener.path), opener.config, device, opener)


class SentenceEncoder:
    """The port ``Encoder`` over a model directory."""

    def __init__(
        self, path: Path, config: EncoderConfig, device: str | None = None, opener: OpenEncoder | None = None
    ) -> None:
        """Load the model onto the device; by default the GPU that Spark assigned, else any, else the CPU.

        Raises: RecipeError when there is no such model, it does not say how it pools, or reads less than max_length.
                EngineError when it does not load.
        """
        import torch

        self.device = device or task_device()
        self.dtype = _dtype(config.dtype, self.device)
        self.max_length = config.max_length
        self._tokens = _pass_tokens(config, self.device)
        self._path, self._config, self.files = path, config, directory_digest(path)
        if self.device == "cpu":
            torch.set_num_threads(1)
        encoding = read_encoding(path, config.query_prefix, config.doc_prefix)
        self._model = _load(path, self.device, config.max_length)
        encoding.check(config.max_length)
        self._model[0].to(getattr(torch, self.dtype))
        self._tokenizer = self._model.tokenizer
        quantised = opener is not None and opener.body and self.device == "cpu"
        self._body = QuantisedBody(Path(opener.body)) if opener and quantised else None
        self._bits = opener.bits if opener and quantised else ""

    @functools.cached_property
    def digest(self) -> str:
        """Digest of the model's files and of what decides the bits of a vector."""
        found = _digest(self.files, self._config, self.device)
        return digest_of([found, self._bits]) if self._bits else found

    @functools.cached_property
    def width(self) -> int:
        """Number of dimensions H."""
        return int(self.encode([""]).shape[1])

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """Return L2-normalised embeddings, (B, H) float32; equal texts are computed once.

        Raises: EngineError when the model yields something that is no number.
        """
        unique = list(dict.fromkeys(texts))
        if not unique:
            return np.zeros((0, self.width), np.float32)
        # (U, H), unique texts in the order of their length: equal shapes stand together.
        ids = self._tokenise(unique)
        found: list[Any] = [None] * len(unique)
        for length, rows in _shapes(ids, self.max_length, self._tokens):
            for row, vector in zip(rows, self._forward([ids[row] for row in rows], length), strict=True):
                found[row] = vector
        place = {text: row for row, text in enumerate(unique)}
        vectors = np.stack(found)
        if not np.isfinite(vectors).all():
            raise EngineError(f"{self._path.name} gave vectors that are no numbers; try encoder.dtype: float32")
        return vectors[[place[text] for text in texts]]

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        cut = [text[: self.max_length * MAX_CHARS_A_TOKEN] for text in texts]
        ids: list[list[int]] = []
        for start in range(0, len(cut), TOKENISED):
            part = cut[start : start + TOKENISED]
            ids += self._tokenizer(part, truncation=True, max_length=self.max_length)["input_ids"]
        return ids

    def _forward(self, ids: list[list[int]], length: int) -> FloatMatrix:
        """Return the normalised vectors of texts that share a shape; the pass always has its full number of rows."""
        import torch

        full = max(1, self._tokens // length)
        filled = ids + [self._filler] * (full - len(ids))
        padded = self._tokenizer.pad(
            {"input_ids": filled}, padding="max_length", max_length=length, return_tensors="pt"
        )
        with torch.inference_mode():
            features = {name: tensor.to(self.device) for name, tensor in padded.items()}
            if self._body:
                hidden = self._body(padded["input_ids"].numpy(), padded["attention_mask"].numpy())
                state = {**features, "token_embeddings": torch.from_numpy(hidden)}
            else:
                state = self._model[0](features)
            # The body may run in bfloat16; what pools and projects its output computes in float32.
            state = {k: v.float() if torch.is_tensor(v) and v.is_floating_point() else v for k, v in state.items()}
            for module in list(self._model)[1:]:
                state = module(state)
        vectors = state["sentence_embedding"][: len(ids)].float().cpu().numpy().astype(np.float64)
        norms = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
        return np.asarray(vectors / np.where(norms > 0, norms, 1.0), dtype=np.float32)

    @functools.cached_property
    def _filler(self) -> list[int]:
        return list(self._tokenizer("")["input_ids"]) or [self._tokenizer.pad_token_id or 0]


def _digest(files: str, config: EncoderConfig, device: str) -> str:
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return digest_of(
        [
            files,
            config.max_length,
            _pass_tokens(config, device),
            _dtype(config.dtype, device),
            device.partition(":")[0],
            versions,
        ]
    )


def _pass_tokens(config: EncoderConfig, device: str) -> int:
    """Return the tokens of a forward pass."""
    return config.batch or (CPU_TOKENS if device == "cpu" else GPU_TOKENS)


def _shapes(ids: Sequence[Sequence[int]], max_length: int, tokens: int) -> Iterator[tuple[int, list[int]]]:
    """Yield (padded length, rows): at most tokens // length rows at a time, in the order of the texts."""
    lengths = [length for length in LENGTHS if length < max_length] + [max_length]
    held: dict[int, list[int]] = {}
    for row, text in enumerate(ids):
        length = next(length for length in lengths if len(text) <= length)
        held.setdefault(length, []).append(row)
    for length, rows in sorted(held.items()):
        full = max(1, tokens // length)
        yield from ((length, rows[start : start + full]) for start in range(0, len(rows), full))


def _load(path: Path, device: str, max_length: int) -> Any:
    quiet_libraries()
    from sentence_transformers import SentenceTransformer

    # Plain attention is a tenth faster than the fused kernel on short texts, and quadratic in memory on long ones.
    attention = "eager" if device == "cpu" and max_length <= 256 else "sdpa"
    try:
        model = SentenceTransformer(
            str(path), device=device, local_files_only=True, model_kwargs={"attn_implementation": attention}
        )
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise EngineError(f"model {path} does not load ({said}); try another encoder.model") from error
    return model.eval()


def _dtype(wanted: str, device: str) -> str:
    """Resolve ``auto``: bfloat16 where the hardware multiplies it, three times as fast and as good for ranking."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if multiplies_bfloat16(device) else "float32"


def multiplies_bfloat16(device: str) -> bool:
    """Return whether the device multiplies bfloat16 in hardware."""
    import torch

    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # torch has no public question for it
    return any(getattr(torch.cpu, name, lambda: False)() for name in asked)
