"""From how much gold on a teacher earns its vote: its course on a judged collection, as a table.

    python -m tests.bench.teacher FOLDER [--queries 800] [--loss listwise] [--margin 0.05] [--cache DIR]

FOLDER is a BEIR folder. Seven tenths of its judged queries teach, the others are the exam; lessons, training and exam
are the label stage's own, without Spark. A row is printed at each check: gold queries learned from so far, the
teacher's AUC on held-out gold, and what the signals are worth without it and with it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from jobs.engines.encoder import SentenceEncoder
from jobs.engines.lucene import LuceneBm25, build_lucene
from pipeline.ids import unit_of
from pipeline.index.config import EncoderConfig, IndexConfig
from pipeline.label.config import LabelConfig
from schemas.training import LISTWISE, PAIRWISE, POINTWISE, TeachConfig
from tests.bench.negatives.pools import read_judgements, read_texts
from trainer.models.cross_encoder import Lesson, teach
from trainer.models.exam import Question

DEPTH, SEED = 60, 13
BASE = Path(os.environ.get("PAIRWRIGHT_MODELS", ".models")) / "all-MiniLM-L6-v2"


def main() -> None:
    """Train once, and print the course."""
    args = _parser().parse_args()
    documents, queries, judged = _read(args.folder)
    found = _search(args.folder.name, documents, queries, args.cache)
    order = sorted(queries, key=lambda query: unit_of(SEED, "teacher", query))
    held_out = [query for query in order if unit_of(SEED, "held out", query) < LabelConfig().held_out]
    exam = [q for key in held_out[: args.exam] for q in _questions(key, found[key], documents, queries, judged[key])]
    taught = [query for query in order if query not in set(held_out)][: args.queries]
    lessons = [each for key in taught for each in _lessons(key, found[key], documents, queries, judged[key], args)]
    config = TeachConfig(loss=args.loss, checks=args.checks, max_length=args.length)
    with tempfile.TemporaryDirectory() as scratch:
        started, spent = time.monotonic(), time.process_time()
        figures = teach(lessons, BASE, Path(scratch) / "out", config, SEED, questions=exam)
    seconds, cpu = time.monotonic() - started, time.process_time() - spent
    print(f"{args.folder.name}: {len(exam)} questions of {min(args.exam, len(held_out))} queries, {args.loss}")
    print(f"best signal {figures['best_signal']}, without a teacher {figures['without']}")
    steps = -(-sum(1 + len(each.negatives) for each in lessons) // config.batch)
    print("| gold queries | AUC | fusion AUC | fusion log-loss |\n|---|---|---|---|")
    for each in figures["checks"]:
        share = min(1.0, each["check"] / steps)
        print(
            f"| {len(taught) * share:.0f} | {each['auc']:.3f} | {each['fusion_auc']:.3f} | {each['fusion_loss']:.4f} |"
        )
    print(f"{seconds:.0f} s, {cpu:.0f} s of CPU, {figures['steps']} steps; {figures.get('stopped', 'went to its end')}")


def _lessons(key: str, hits: Any, documents: Any, queries: Any, known: set[str], args: Any) -> list[Lesson]:
    """Return a lesson a known positive, with negatives drawn by hash, as the stage does."""
    made = []
    for positive in sorted(known):
        ceiling = hits.get(positive, {"dense": 1.0})["dense"] * (1 - args.margin) if args.margin is not None else 1.0
        others = [doc for doc, signals in hits.items() if doc not in known and signals["dense"] <= ceiling]
        drawn = sorted(others, key=lambda doc: unit_of(SEED, "mined", key, positive, doc))[: args.negatives]
        if drawn:
            made.append(Lesson(queries[key], documents[positive], tuple(documents[doc] for doc in drawn)))
    return sorted(made, key=lambda each: unit_of(SEED, each.positive))


def _questions(key: str, hits: Any, documents: Any, queries: Any, known: set[str]) -> list[Question]:
    """Return the exam of a query: its known positives that were found, and the hardest others."""
    hidden = sorted(doc for doc in hits if doc in known)
    others = sorted((doc for doc in hits if doc not in known), key=lambda doc: (-hits[doc]["dense"], doc))
    rows = [(doc, True) for doc in hidden] + [(doc, False) for doc in others[:10]]
    return [Question(queries[key], documents[doc], is_hidden, hits[doc]) for doc, is_hidden in rows]


def _search(name: str, documents: Any, queries: Any, cache: Path) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return each query's candidates with their signals; vectors and hits of BM25 are kept in the cache."""
    doc_ids, query_ids = sorted(documents), sorted(queries)
    path = cache / f"{name}-{BASE.name}-{EncoderConfig().max_length}.npz"
    if not path.is_file():
        _write_search(documents, queries, path)
    with np.load(path, allow_pickle=False) as kept:
        vectors, asked = kept["documents"].astype(np.float64), kept["queries"].astype(np.float64)
        lexical, scores = kept["lexical"][:, :DEPTH], kept["lexical_scores"][:, :DEPTH]
    found = {}
    for row, key in enumerate(query_ids):
        cosines = np.round(vectors @ asked[row], 6)
        nearest = np.argsort(-cosines, kind="stable")[:DEPTH].tolist()
        bm25 = {int(doc): float(at) for doc, at in zip(lexical[row], scores[row], strict=True) if doc >= 0}
        ranks = {doc: place for place, doc in enumerate(bm25, start=1)}
        for place, doc in enumerate(nearest, start=1):
            ranks[doc] = min(place, ranks.get(doc, place))
        best = max(bm25.values(), default=0.0)
        found[key] = {
            doc_ids[doc]: {
                "dense": float(cosines[doc]),
                "bm25_share": bm25[doc] / best if doc in bm25 and best > 0 else None,
                "rank": -float(np.log(rank)),
            }
            for doc, rank in ranks.items()
        }
    return found


def _write_search(documents: Any, queries: Any, path: Path) -> None:
    doc_ids, query_ids = sorted(documents), sorted(queries)
    lexical, scores = np.full((len(query_ids), DEPTH), -1, np.int64), np.zeros((len(query_ids), DEPTH))
    with tempfile.TemporaryDirectory() as scratch:
        build_lucene(((doc, documents[doc]) for doc in doc_ids), Path(scratch), IndexConfig())
        places = {doc: row for row, doc in enumerate(doc_ids)}
        with LuceneBm25(Path(scratch)) as index:
            for row, hits in enumerate(index.search([queries[key] for key in query_ids], DEPTH)):
                lexical[row, : len(hits)] = [places[hit.doc_id] for hit in hits]
                scores[row, : len(hits)] = [hit.score for hit in hits]
    encoder = SentenceEncoder(BASE, EncoderConfig())
    vectors = {"documents": encoder.encode([documents[doc] for doc in doc_ids])}
    vectors["queries"] = encoder.encode([queries[key] for key in query_ids])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, lexical=lexical, lexical_scores=scores, **vectors)


def _read(folder: Path) -> tuple[dict[str, str], dict[str, str], dict[str, set[str]]]:
    """Return documents, judged queries and what answers them, over all splits."""
    documents, asked = (read_texts(folder / f"{name}.jsonl.gz") for name in ("corpus", "queries"))
    judged = read_judgements(folder, set(documents))
    return documents, {key: text for key, text in asked.items() if key in judged}, judged


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="How much gold a teacher needs.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--queries", type=int, default=800, help="gold queries that teach")
    parser.add_argument("--exam", type=int, default=80, help="held-out queries that are asked")
    parser.add_argument("--checks", type=int, default=8)
    parser.add_argument("--length", type=int, default=96)
    parser.add_argument("--negatives", type=int, default=4)
    parser.add_argument("--margin", type=float, default=None)
    parser.add_argument("--loss", choices=(LISTWISE, PAIRWISE, POINTWISE), default=LISTWISE)
    parser.add_argument("--cache", type=Path, default=Path("runs/teacher"))
    return parser


if __name__ == "__main__":
    main()
