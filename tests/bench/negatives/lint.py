"""Lint: planted faults of known counts, what else it names, a mined set of another tool, and its time.

Faults are planted in the training pairs of a collection with four random negatives each. Named wrongly is a row or text
of a kind that removes, which was not planted. The mined set is sentence-transformers' own output; its truth is the
judgements of which the miner was shown one a query, and the judge was fitted without that collection.
"""

from __future__ import annotations

import json
import os
import random
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.cli.lint_tools import open_tools
from pipeline.guard.config import DOCUMENT, QUERY
from pipeline.index.config import EncoderConfig
from pipeline.lint.config import LintConfig
from pipeline.lint.context import Judge, Lint, Tools
from pipeline.lint.files import find_files
from pipeline.lint.findings import Finding, Found
from pipeline.lint.protected import make_table
from pipeline.lint.registry import KINDS, run_checks
from pipeline.lint.rows import TrainingSet, read_set
from tests.bench.corpora import vocabulary_of
from tests.bench.negatives.planter import Planted, plant_faults
from tests.bench.negatives.truth import Collection, read_truth
from tests.bench.rows import Row, no_collections

SECTION = "lint"
PLANTED = {"scifact": 20, "medquad": 100}
MINED = "medline"
TIMED = 100_000
NEGATIVES = 4


def measure(work: Path, collections: Path | None, cache: str = "runs/bench-negatives", timed: int = TIMED) -> list[Row]:
    """Measure all; ``cache`` keeps the vectors of the collections, ``timed`` triplets are timed (0 = none)."""
    if collections is None:
        return [no_collections(SECTION, "planted faults, a mined set and the time")]
    rows: list[Row] = []
    for name, each in PLANTED.items():
        rows += _plant(work, read_truth(collections / name), name, each)
    rows += _mine(work, collections, Path(cache))
    return rows + (_time(work, read_truth(collections / "medquad"), timed) if timed else [])


def look_at(
    path: Path, folder: Path, protected: Sequence[tuple[str, str, str]] = (), tools: Tools | None = None
) -> tuple[TrainingSet, dict[str, Finding]]:
    """Return the set of a file and what was found of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_set(find_files([str(path)]), folder)
    table = make_table(rows, {"exam": list(protected)})[0] if protected else None
    lint = Lint(rows, LintConfig(), folder, table, tools)
    return rows, {finding.kind.name: finding for finding in run_checks(lint)}


def _plant(work: Path, truth: Collection, name: str, each: int) -> list[Row]:
    rng = random.Random(3)
    pairs = [pair for pair in truth.train if truth.queries[pair[0]] and truth.documents[pair[1]]]
    once = list({truth.queries[query]: (query, document) for query, document in pairs}.values())
    documents = list(truth.documents.values())
    exam = truth.test[:each]
    held = {document for _, document in exam}
    sound = [
        {
            "query": truth.queries[query],
            "pos": [truth.documents[document]],
            "neg": _others(truth, documents, query, rng),
        }
        for query, document in once
        if document not in held
    ]
    protected = [(truth.queries[query], truth.documents[document]) for query, document in exam]
    made = plant_faults(sound, vocabulary_of(documents), protected, each)
    path = work / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made.rows), encoding="utf-8")
    texts = [(f"q{i}", QUERY, query) for i, (query, _) in enumerate(protected)]
    texts += [(f"d{i}", DOCUMENT, document) for i, (_, document) in enumerate(protected)]
    rows, found = look_at(path, work / name, texts)
    return _score(name, made, rows, found)


def _others(truth: Collection, documents: list[str], query: str, rng: random.Random) -> list[str]:
    known = {truth.documents[document] for document in truth.relevant[query]}
    return [text for text in rng.sample(documents, NEGATIVES + 20) if text not in known][:NEGATIVES]


def _score(name: str, made: Planted, rows: TrainingSet, found: dict[str, Finding]) -> list[Row]:
    scored, wrong = [], set[tuple[int, str]]()
    for kind, places in made.faults.items():
        got = _places(rows, found[kind])
        share = len(got & places) / len(places) * 100
        scored.append(Row.of(SECTION, f"{name}: {kind} found, of {len(places):,}", share, "%", (">=", 95)))
    planted = set().union(*made.faults.values(), *made.implied.values())
    for kind, finding in found.items():
        if KINDS[kind].removes:
            wrong |= _places(rows, finding) - made.faults.get(kind, set()) - made.implied.get(kind, set())
    units = len(rows) + len(rows.text) - len(planted)
    what = f"{name}: rows and texts named wrongly, of {units:,}"
    return [*scored, Row.of(SECTION, what, len(wrong) / units * 100, "%", ("<=", 1))]


def _places(rows: TrainingSet, finding: Finding) -> set[tuple[int, str]]:
    if not isinstance(finding, Found):
        return set()
    pairs = zip(finding.row.tolist(), finding.passage.tolist(), strict=True)
    return {(row, rows.places[rows.place[at]] if at >= 0 else "") for row, at in pairs}


def _mine(work: Path, collections: Path, cache: Path) -> list[Row]:
    """Let sentence-transformers mine with one positive a query shown, and hold what lint says to the judgements."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives

    truth = read_truth(collections / MINED)
    model = SentenceTransformer(
        str(Path(os.environ.get("PAIRWRIGHT_MODELS", ".models")) / EncoderConfig().model), device="cpu"
    )
    model.max_seq_length = 128
    shown = truth.show_one()
    pairs = Dataset.from_dict(
        {
            "anchor": [truth.queries[query] for query in shown],
            "positive": [truth.documents[document] for document in shown.values()],
        }
    )
    corpus = list(dict.fromkeys(truth.documents.values()))
    judge = _fit_without(MINED, collections, cache)
    rows = []
    for rule, options in {
        "relative_margin .05": {"relative_margin": 0.05, "range_max": 100, "num_negatives": NEGATIVES},
        "its defaults": {},
    }.items():
        mined = mine_hard_negatives(pairs, model, corpus=corpus, verbose=False, **options)
        path = work / f"mined-{len(rows)}.parquet"
        mined.to_parquet(str(path))
        rows += _compare(work / f"scratch-{len(rows)}", path, truth, rule, judge)
    return rows


def _compare(scratch: Path, path: Path, truth: Collection, rule: str, judge: Judge) -> list[Row]:
    tools, _ = open_tools(None, None, 10_000, LintConfig().seed, judge)
    rows, found = look_at(path, scratch, tools=tools)
    answers = {
        truth.queries[query]: {truth.documents[document] for document in documents}
        for query, documents in truth.relevant.items()
    }
    negatives = rows.is_negative.nonzero()[0]
    asked, told = rows.texts.take(rows.query[rows.row[negatives]]), rows.texts.take(rows.text[negatives])
    pairs = set(zip(asked, told, strict=True))
    wrong = sum(text in answers[query] for query, text in pairs) / len(pairs)
    finding = found["false_negative"]
    rate: dict[str, Any] = dict(finding.figures["rate"]) if isinstance(finding, Found) else {}
    said = f"{MINED} mined by sentence-transformers, {rule}, {len(pairs):,} negatives: "
    inside = float(rate["low"] <= wrong <= rate["high"])
    return [
        Row.of(SECTION, f"{said}false by the judgements", wrong),
        Row.of(SECTION, f"{said}false by lint", rate["estimate"]),
        Row.of(SECTION, f"{said}interval from", rate["low"]),
        Row.of(SECTION, f"{said}interval to", rate["high"]),
        Row.of(SECTION, f"{said}the truth lies in the interval", inside, "", ("==", 1)),
    ]


def _fit_without(name: str, collections: Path, cache: Path) -> Judge:
    """Fit the judge's prior on all other collections, as ``tests.bench.negatives.fit_prior`` does."""
    from pipeline.judge.prior import fit_prior
    from tests.bench.negatives.fit_prior import COLLECTIONS, is_judged_deeply
    from tests.bench.negatives.pools import load_pool
    from tests.bench.negatives.trials import blind_trials

    pools = {other: load_pool(other, collections, cache) for other in COLLECTIONS if other != name}
    return fit_prior({other: blind_trials(pool) for other, pool in pools.items() if is_judged_deeply(pool)})


def _time(work: Path, truth: Collection, count: int) -> list[Row]:
    """Write so many triplets and look at them without a model, as the sample's encoding is the model's own time."""
    rng, documents = random.Random(7), list(truth.documents.values())
    path = work / "timed.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            query, document = truth.train[number % len(truth.train)]
            row = {"anchor": truth.queries[query], "positive": truth.documents[document]}
            file.write(json.dumps(row | {"negative": rng.choice(documents)}) + "\n")
    start = time.perf_counter()
    look_at(path, work / "timed")
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return [
        Row.of(SECTION, f"{count:,} triplets of medquad, without a model", seconds, "s"),
        Row.of(SECTION, f"{count:,} triplets of medquad, peak memory of the benchmark's process", peak, "GiB"),
    ]
