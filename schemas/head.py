"""How a cross-encoder's directory says what its numbers mean: which logit answers, and on which scale.

Read from the files alone, with the standard library, so that a recipe is checked before Spark or torch start: a model
that scores no pairs (an encoder, a language model, a classifier of topics) is refused there, not after an hour.

Known weakness: a head with a linear output says nothing of its width, so its scores are divided by ``RAW_WIDTH`` before
they become chances; their order stays, and for the judge, which fits its own weight, their width is no matter.
Source: sentence-transformers 6 (``cross_encoder/model.py``); transformers (``PretrainedConfig``: two labels, unnamed).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import RecipeError, rule

RAW_WIDTH = 4.0  # so that raw scores up to 50 apart keep their order in six decimals of a chance
_CLASSIFIES = "ForSequenceClassification"
_YES = frozenset(["1", "answer", "duplicate", "entailment", "label_1", "match", "positive", "relevant", "true", "yes"])
_NO_HEAD = "a cross-encoder (a reranker), or leave label.model out: one is made from the gold"


@dataclass(frozen=True)
class Head:
    """How a chance is made of a pair's logits: ``yes`` minus the other label (None where there is one logit)."""

    yes: int = 0
    no: int | None = None
    scale: float = 1.0


def read_head(model: str | Path, field: str = "label.model") -> Head:
    """Return how a cross-encoder's logits are read.

    Cost:   three small files; nothing is loaded.
    Raises: RecipeError when it is no directory of a model that scores pairs with one label or two, or when its weights
            are not in safetensors.
    """
    home = Path(model)
    if not (home / "config.json").is_file():
        raise RecipeError(rule(field, "a model directory with a config.json", str(home), _NO_HEAD))
    config = _read(home / "config.json", field)
    named = config.get("architectures")
    architectures = [str(each) for each in named] if isinstance(named, list) else []
    if not any(each.endswith(_CLASSIFIES) for each in architectures):
        must_be = f"a model with a head that scores pairs (an architecture that ends in {_CLASSIFIES})"
        raise RecipeError(rule(field, must_be, f"{home} ({', '.join(architectures) or 'names none'})", _NO_HEAD))
    if not any(home.glob("*.safetensors")):
        raise RecipeError(rule(field, "a model whose weights are in safetensors", str(home), _NO_HEAD))
    labels = _labels(config)
    if len(labels) == 1:
        return Head(scale=_scale(home, config, field))
    if len(labels) != 2:
        must_be = "a model with one label or two (answers, does not)"
        raise RecipeError(rule(field, must_be, f"{home} with {len(labels)}", _NO_HEAD))
    meant = [place for place, label in enumerate(labels) if label.lower() in _YES]
    yes = meant[0] if len(meant) == 1 else 1
    return Head(yes, 1 - yes)


def _labels(config: Mapping[str, Any]) -> list[str]:
    """Return the labels by place; a configuration that names none has two."""
    named, count = config.get("id2label"), config.get("num_labels")
    if isinstance(named, Mapping) and named:
        return [str(named.get(str(place), place)) for place in range(len(named))]
    return [f"label_{place}" for place in range(count if isinstance(count, int) else 2)]


def _scale(home: Path, config: Mapping[str, Any], field: str) -> float:
    """Return what one logit is divided by: 1 where it goes through a sigmoid, which is the rule where nothing is said.

    The output is named in one of three places, by age of the library that saved the model.
    """
    own = config.get("sentence_transformers")
    named = (
        (own.get("activation_fn") if isinstance(own, Mapping) else None)
        or config.get("sbert_ce_default_activation_function")
        or _read(home / "config_sentence_transformers.json", field).get("activation_fn")
        or "Sigmoid"
    )
    kind = str(named).rpartition(".")[2]
    if kind not in ("Sigmoid", "Identity"):
        raise RecipeError(rule(field, "a model whose output is a sigmoid or the logit itself", f"{home} ({kind})"))
    return 1.0 if kind == "Sigmoid" else RAW_WIDTH


def _read(path: Path, field: str) -> Mapping[str, Any]:
    """Return a JSON object; an empty one where there is no such file."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:100]
        raise RecipeError(rule(field, f"a model whose files are JSON ({said})", str(path))) from error
    if not isinstance(found, dict):
        raise RecipeError(rule(field, "a model whose files are JSON objects", str(path)))
    return found
