"""What decides a text's vector beside the weights: the one rule that miner, trainer, evaluation and export ask.

A model directory says in five small files how texts are read: prompts, pooling, and how many tokens. They are read
here once, with the standard library alone, so that a recipe is checked before Spark or torch start, and so that no two
engines read them differently. Prompts are named as sentence-transformers names them: ``query`` and ``document``; one
called ``passage`` alone is put before no document there, and so not here.

Known weakness: a model whose code comes with it (``trust_remote_code``) may read texts in ways that no file tells.
Source: sentence-transformers 6 (``base/model.py``, ``Pooling``); transformers (``create_position_ids_from_input_ids``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import RecipeError, rule

# Bodies that count positions from the padding index on: so many of their positions are never of use.
_COUNT_FROM_PADDING = frozenset(
    [
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "layoutlmv3",
        "lilt",
        "longformer",
        "luke",
        "markuplm",
        "mluke",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    ]
)
_USUAL_PADDING = 1  # of those bodies, where the configuration leaves it out
_NO_LIMIT = 1_000_000  # tokenizers say 10^30 when they know no limit
_LENGTH_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"]
)
_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_HOW_TO_POOL = (
    "a copy with the pooling that its authors name: SentenceTransformer(modules=[Transformer(PATH), "
    "Pooling(WIDTH, 'cls' or 'mean')]).save_pretrained(COPY)"
)


@dataclass(frozen=True)
class Encoding:
    """How a model reads texts.

    ``pooling`` is None where nobody says (a directory of transformers without ``modules.json``), "" where the model's
    own modules make the vector. ``positions`` is the most tokens that the body can read, ``reads`` how many the
    directory says it reads; None where they do not say.
    """

    model: Path
    pooling: str | None
    query_prefix: str
    doc_prefix: str
    positions: int | None
    reads: int | None
    pools_prompt: bool = True

    @property
    def limit(self) -> int | None:
        """The most tokens that may be asked for: the body's positions, else what the directory says."""
        return self.positions or self.reads

    def faults(self, max_length: int | None = None, field: str = "encoder", length: str = "max_length") -> list[str]:
        """Return why no vectors can be made so; ``field`` is the recipe's section that names the model."""
        found = []
        if self.pooling is None:
            must_be = "a model that says how it pools (modules.json)"
            found.append(rule(f"{field}.model", must_be, str(self.model), _HOW_TO_POOL))
        if max_length is not None:
            found += self.length_faults(max_length, field, length)
        if not self.pools_prompt and (self.query_prefix or self.doc_prefix):
            must_be = "empty for a model that leaves its prompt out of the pooling"
            prefixes = f"{self.query_prefix}|{self.doc_prefix}"
            found.append(rule(f"{field}.query_prefix and doc_prefix", must_be, prefixes, "another model"))
        return found

    def length_faults(self, max_length: int, field: str = "encoder", length: str = "max_length") -> list[str]:
        """Return why the body cannot read so many tokens, whatever becomes of what it reads."""
        if self.limit is None or max_length <= self.limit:
            return []
        return [rule(f"{field}.{length}", f"at most {self.limit}, what {self.model.name} reads", max_length)]

    def check(self, max_length: int | None = None, field: str = "encoder", length: str = "max_length") -> None:
        """Raise every fault that :meth:`faults` finds as a RecipeError."""
        if found := self.faults(max_length, field, length):
            raise RecipeError(found)


def read_encoding(
    model: str | Path,
    query_prefix: str | None = None,
    doc_prefix: str | None = None,
    field: str = "encoder",
    name: str = "model",
) -> Encoding:
    """Return how a model reads texts; prefixes that are given stand in place of the model's own prompts.

    ``field`` is the recipe's section that names the model, ``name`` the setting.

    Cost:   a few small files; nothing is loaded.
    Raises: RecipeError when it is no model directory, or when one of its files is no JSON object.
    """
    home, field = Path(model), f"{field}.{name}"
    modules = _modules(home, field)
    body = home / str(modules[0].get("path", "")) if modules else home
    if not (body / "config.json").is_file():
        fault = rule(field, "a model directory with a config.json", str(home), "make setup, or a full path")
        raise RecipeError(fault)
    config = _read(body / "config.json", field)
    prompts = _read(home / "config_sentence_transformers.json", field).get("prompts")
    own = prompts if isinstance(prompts, Mapping) else {}
    pooling = None if modules is None else ""
    pools_prompt = True
    for module in modules or ():
        if str(module.get("type", "")).rpartition(".")[2] == "Pooling":
            settings = _read(home / str(module.get("path", "")) / "config.json", field)
            pooling, pools_prompt = _pooling_of(settings), bool(settings.get("include_prompt", True))
    return Encoding(
        home,
        pooling,
        str(own.get("query") or "") if query_prefix is None else query_prefix,
        str(own.get("document") or "") if doc_prefix is None else doc_prefix,
        _positions_of(config),
        _reads_of(body, field),
        pools_prompt,
    )


def _modules(home: Path, field: str) -> list[dict[str, Any]] | None:
    """Return the modules of a model of sentence-transformers, None for a plain directory of transformers."""
    path = home / "modules.json"
    if not path.is_file():
        return None
    found = _load(path, field)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise RecipeError(rule(field, "a model whose modules.json is a list of modules", str(home)))
    return found


def _pooling_of(settings: Mapping[str, Any]) -> str:
    modes = settings.get("pooling_mode") or [mode for name, mode in _POOLING.items() if settings.get(name)]
    return modes if isinstance(modes, str) else "+".join(map(str, modes)) or "mean"


def _positions_of(config: Mapping[str, Any]) -> int | None:
    """Return how many tokens the body can tell apart: of 514 positions of a RoBERTa 512 are of use."""
    inner = config.get("text_config")
    told = {**(inner if isinstance(inner, Mapping) else {}), **config}
    positions = _whole(told.get("max_position_embeddings"))
    if positions is None or told.get("model_type") not in _COUNT_FROM_PADDING:
        return positions
    padding = told.get("pad_token_id")
    return positions - (padding if isinstance(padding, int) else _USUAL_PADDING) - 1


def _reads_of(body: Path, field: str) -> int | None:
    """Return the tokens that the directory says it reads: as sentence-transformers keeps it, else the tokenizer's."""
    told = [_whole(_read(body / name, field).get("max_seq_length")) for name in _LENGTH_FILES]
    tokenizer = _whole(_read(body / "tokenizer_config.json", field).get("model_max_length"))
    return next((length for length in (*told, tokenizer) if length is not None), None)


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < _NO_LIMIT else None


def _read(path: Path, field: str) -> Mapping[str, Any]:
    """Return a JSON object; an empty one where there is no such file."""
    if not path.is_file():
        return {}
    found = _load(path, field)
    if not isinstance(found, dict):
        raise RecipeError(rule(field, "a model whose files are JSON objects", str(path)))
    return found


def _load(path: Path, field: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:100]
        raise RecipeError(rule(field, f"a model whose files are JSON ({said})", str(path))) from error
