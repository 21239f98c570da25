"""The model that lint asks: its vectors of a sample, its tokens, and how much it reads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jobs.engines.kmeans import FindCentres
from pipeline.index.config import EncoderConfig
from pipeline.judge.prior import load_prior
from pipeline.lint.context import Judge, Tools
from pipeline.lint.signals import Encode
from pipeline.ports import Encoder, FloatMatrix
from pipeline.recipe import usual_models_home
from schemas.encoding import read_encoding
from schemas.errors import RecipeError, rule

_AT_ONCE = 256
_ROUNDS = 20


def open_tools(
    model: str | None, max_length: int | None, sample: int, seed: int, judge: Judge | None = None
) -> tuple[Tools | None, str]:
    """Return what asks the model, or why there is none; a model that was not named need not be there.

    ``judge`` stands in place of the one that ships with the package.

    Cost:   the tokenizer is opened when tokens are counted, the model when a sample is measured.
    Raises: RecipeError for a model that is named and not there, or cannot make vectors.
    """
    name = model or EncoderConfig().model
    home = Path(name) if os.sep in name or Path(name).is_dir() else usual_models_home() / name
    if not home.is_dir():
        if model is None:
            return None, f"the model {name} is not in {home.parent}; --model DIR names another"
        raise RecipeError(rule("--model", "the directory of a sentence-transformers model", str(home), "a full path"))
    encoding = read_encoding(home, field="--model", name="")
    reads = max_length or encoding.reads or encoding.limit
    config = EncoderConfig(max_length=min(EncoderConfig().max_length, max(reads or 8, 8)))
    encoding.check(config.max_length, "--model")
    counted = _LateEncoder(home, config)
    from jobs.engines.tokenizer import ModelTokens

    encoders = (_prefixed(counted, encoding.query_prefix), _prefixed(counted, encoding.doc_prefix))
    centres, judge = FindCentres(_ROUNDS, seed), judge or load_prior()
    return Tools(home.name, *encoders, ModelTokens(home), reads, centres, sample, judge), ""


class _LateEncoder:
    """A model that is opened when it is asked, and says how far it is where somebody watches."""

    def __init__(self, home: Path, config: EncoderConfig) -> None:
        self._home, self._config = home, config
        self._engine: Encoder | None = None

    def encode(self, texts: list[str]) -> FloatMatrix:
        import numpy as np

        if self._engine is None:
            from jobs.engines.encoder import SentenceEncoder

            self._engine = SentenceEncoder(self._home, self._config)
        shown = sys.stderr.isatty()
        parts = []
        for first in range(0, len(texts), _AT_ONCE):
            if shown:
                sys.stderr.write(f"\rencoding a sample: {first:,} of {len(texts):,} texts")
                sys.stderr.flush()
            parts.append(self._engine.encode(texts[first : first + _AT_ONCE]))
        if shown:
            sys.stderr.write("\r\x1b[K")
        return np.concatenate(parts) if parts else self._engine.encode([])


def _prefixed(encoder: _LateEncoder, prefix: str) -> Encode:
    return lambda texts: encoder.encode([prefix + text for text in texts])
