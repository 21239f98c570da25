"""Systems on evaluation sets: models by exact search, others by their TREC runs; means and paired differences.

A hit that is the query itself, a document of the query's id, is left out and counted, as BEIR and MTEB do: in sets of
arguments and of duplicate questions every query is a document too. One that is judged to answer its query stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.encoding import Encoding, read_encoding
from schemas.errors import RecipeError, rule
from schemas.training import EvaluateConfig
from trainer.device import pick_device, set_threads, uses_bf16
from trainer.evaluate.evalsets import EvalSet, find_sets, read_run
from trainer.evaluate.metrics import METRICS, Floats, bootstrap_interval, score_query
from trainer.evaluate.search import top_k
from trainer.models.bi_encoder import DOCUMENT, QUERY, encode, load_model

Emit = Callable[[dict[str, Any]], None]
Scores = dict[str, dict[str, Floats]]  # system -> evaluation set -> (N, M) metrics of its queries
LeftOut = dict[str, dict[str, int]]  # system -> evaluation set -> hits that were the query itself


@dataclass(frozen=True)
class Request:
    """One call: where the sets lie, the systems, and which of them the others are compared with."""

    evals: str
    models: Mapping[str, str]
    runs: Mapping[str, str] = field(default_factory=dict)
    dimensions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    baseline: str | None = None
    max_length: int | None = None
    config: EvaluateConfig = field(default_factory=EvaluateConfig)
    query_prefix: str | None = None  # None = each model's own prompt
    doc_prefix: str | None = None

    def check(self) -> str:
        """Return the baseline's name. Raises: RecipeError when the names do not fit together."""
        names = [*self.models, *self.runs]
        strangers, twins = self.dimensions.keys() - self.models.keys(), self.runs.keys() & self.models.keys()
        faults = [f"--dimensions must name a --model, got {name!r}" for name in sorted(strangers)]
        faults += [f"systems must have names of their own, got {name!r} twice" for name in sorted(twins)]
        if not names:
            faults.append("at least one --model or --run must be given, got none")
        elif self.baseline is not None and self.baseline not in names:
            faults.append(f"--baseline must be one of {', '.join(names)}, got {self.baseline!r}")
        if self.max_length is not None and self.max_length < 8:
            faults.append(f"--max-length must be at least 8, got {self.max_length}")
        if faults:
            raise RecipeError(faults)
        return self.baseline or names[0]


def evaluate(request: Request, emit: Emit) -> dict[str, Any]:
    """Measure every system on every set; ``emit`` gets one record per system and set.

    Returns {"systems": {name: {set: {"all": {metric: value}, "domains": {domain: {...}}}}}, "differences": [...],
    "queries": {set: {...}}, "left_out": {name: {set: hits}}, "baseline": name, "config": {...}}.
    """
    baseline = request.check()
    sets = find_sets(request.evals)
    runs = {name: read_run(path) for name, path in request.runs.items()}
    encodings = {name: _read_encoding(path, request) for name, path in request.models.items()}
    scores: Scores = {}
    left_out: LeftOut = {}
    for name in request.models:
        _score_model(name, encodings[name], sets, request, scores, left_out, emit)
    for name, run in runs.items():
        for each in sets:
            found = [[doc for doc, _ in run.get(query, ())] for query in each.query_ids]
            _score_hits(name, each, found, request.config.depth, scores, left_out)
        emit({"system": name, "sets": len(sets)})
    return {
        "systems": {name: {s.name: _summarise(s, scores[name][s.name]) for s in sets} for name in scores},
        "differences": [
            row
            for name in scores
            if name != baseline
            for s in sets
            for row in _differences(s, name, baseline, scores, request.config)
        ],
        "queries": {
            s.name: {"queries": len(s.query_ids), "documents": len(s.doc_ids), "unjudged": s.unjudged, **s.judgements}
            for s in sets
        },
        "left_out": left_out,
        "baseline": baseline,
        "config": {**request.config.to_mapping(), "max_length": request.max_length},
    }


def _read_encoding(path: str, request: Request) -> Encoding:
    encoding = read_encoding(path, request.query_prefix, request.doc_prefix, field="evaluate")
    encoding.check(field="evaluate")
    return encoding


def _score_model(
    name: str,
    encoding: Encoding,
    sets: Sequence[EvalSet],
    request: Request,
    scores: Scores,
    left_out: LeftOut,
    emit: Emit,
) -> None:
    set_threads(0)
    model = load_model(encoding.model, pick_device(), encoding)
    bf16 = uses_bf16(request.config.precision, model.device)
    asked = request.max_length or model.max_seq_length
    model.max_seq_length = min(filter(None, (asked, encoding.limit)), default=None)
    width = model.get_embedding_dimension() or 0
    if wider := [cut for cut in request.dimensions.get(name, ()) if not 0 < cut <= width]:
        raise RecipeError(rule("--dimensions", f"between 1 and the {width} of the model {name}", wider[0]))
    cuts = {name: width} | {f"{name}@{cut}": cut for cut in request.dimensions.get(name, ()) if cut < width}
    depth = request.config.depth
    for each in sets:
        started = time.monotonic()
        documents = encode(model, each.doc_texts, DOCUMENT, bf16=bf16)
        queries = encode(model, each.query_texts, QUERY, bf16=bf16)
        seconds = time.monotonic() - started
        for system, dimension in cuts.items():
            # One hit more than counts: the query itself may be among them.
            nearest = top_k(_cut(queries, dimension), _cut(documents, dimension), depth + 1, device=model.device)
            hits = [[each.doc_ids[number] for number in row] for row in nearest]
            _score_hits(system, each, hits, depth, scores, left_out)
        emit(
            {
                "system": name,
                "eval": each.name,
                "queries": len(queries),
                "documents": len(documents),
                "seconds": round(seconds, 3),
            }
        )


def _cut(vectors: npt.NDArray[np.float32], dimension: int) -> npt.NDArray[np.float32]:
    """Return the first values of each vector, scaled to unit length again."""
    part = vectors[:, :dimension]
    norms = np.linalg.norm(part, axis=1, keepdims=True)
    return np.ascontiguousarray(part / np.maximum(norms, 1e-12), dtype=np.float32)


def _score_hits(
    system: str, each: EvalSet, hits: Sequence[Sequence[str]], depth: int, scores: Scores, left_out: LeftOut
) -> None:
    """Note the metrics (N, M) of the queries, in their order, and how many hits were the query itself."""
    found: list[tuple[float, ...]] = []
    own = 0
    for query, docs in zip(each.query_ids, hits, strict=True):
        grades = each.qrels[query]
        is_itself = query in docs and grades.get(query, 0) <= 0
        own += is_itself
        counted = [doc for doc in docs if doc != query] if is_itself else docs
        found.append(score_query(counted[:depth], grades))
    scores.setdefault(system, {})[each.name] = np.array(found)
    left_out.setdefault(system, {})[each.name] = own


def _summarise(each: EvalSet, scores: Floats) -> dict[str, Any]:
    """Return the means over all queries and per domain."""
    domains = np.array(each.query_domains)
    names = sorted(set(each.query_domains) - {""})
    return {"all": _means(scores), "domains": {name: _means(scores[domains == name]) for name in names}}


def _means(scores: Floats) -> dict[str, float]:
    means = scores.mean(axis=0)
    return {
        **{metric: round(float(mean), 6) for metric, mean in zip(METRICS, means, strict=True)},
        "queries": len(scores),
    }


def _differences(
    each: EvalSet, system: str, baseline: str, scores: Scores, config: EvaluateConfig
) -> list[dict[str, Any]]:
    """Return system minus baseline per metric with its 95 % interval, over all queries and per domain."""
    gaps = scores[system][each.name] - scores[baseline][each.name]
    domains = np.array(each.query_domains)
    rows: list[dict[str, Any]] = []
    for domain in ["", *sorted(set(each.query_domains) - {""})]:
        part = gaps[domains == domain] if domain else gaps
        low, high = bootstrap_interval(part, config.resamples, config.seed)
        rows.extend(
            {
                "system": system,
                "baseline": baseline,
                "eval": each.name,
                "domain": domain or "all",
                "metric": metric,
                "difference": round(float(part[:, at].mean()), 6),
                "low": round(float(low[at]), 6),
                "high": round(float(high[at]), 6),
                "queries": len(part),
            }
            for at, metric in enumerate(METRICS)
        )
    return rows
