"""The recipe's encoder: how a stage opens it, and what its fingerprint knows of it."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.engines.encoder import OpenEncoder
from jobs.store.files import directory_digest
from pipeline.recipe import Recipe


def open_encoder(recipe: Recipe) -> OpenEncoder:
    """Return the factory of the recipe's encoder. Raises: RecipeError when its model is not there."""
    path = recipe.model_path(recipe.encoder.model)
    return OpenEncoder(str(path), recipe.encoder, directory_digest(path))


def encoder_files(recipe: Recipe) -> Mapping[str, str]:
    """Return the digest of the encoder's files: other weights are another build."""
    return {"encoder": directory_digest(recipe.model_path(recipe.encoder.model))}
