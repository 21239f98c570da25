"""Rows of positives, scores and documents, and frames as dictionaries."""

from pyspark.sql import DataFrame

SEED = 13


def positive(query, doc, rule="qrels", reason=None, grade=1.0):
    return (query, f"text of {query}", doc, rule, grade, "domain", reason)


def score(query, doc, dense, is_positive=False, bm25_rank=None, ann_rank=None, bm25=None, similar=None, teacher=None):
    ranks = {"ann": (ann_rank, dense), "bm25": (bm25_rank, bm25)}
    hits = [(name, rank, found) for name, (rank, found) in ranks.items() if rank]
    return (query, doc, is_positive, hits, dense, similar, teacher, teacher and "model")


def gold_tables(nearest):
    """Return scores and positives of forty queries with a positive each and six candidates, the nearest of that cosine.

    Of q00 a candidate is a known positive that was dropped; one positive was written by a language model.
    """
    scores, positives = [], []
    for number in range(40):
        query = f"q{number:02d}"
        positives.append(positive(query, f"{query}-p"))
        scores.append(score(query, f"{query}-p", 0.8, is_positive=True, ann_rank=1))
        scores += [score(query, f"{query}-d{rank}", nearest - 0.1 * rank, ann_rank=rank + 2) for rank in range(6)]
    positives.append(positive("q00", "q00-d3", reason="surplus_pair"))
    positives.append(positive("llm", "q01-p", rule="synthetic"))
    scores.append(score("llm", "q01-p", 0.9, is_positive=True, ann_rank=1))
    return scores, positives


def document(doc, text, reason=None):
    return (doc, "source", "file", 1, doc, "", text, [], doc, "domain", None, len(text), doc, reason)


def as_dicts(frame: DataFrame, *key: str) -> dict:
    return {tuple(row[name] for name in key) if len(key) > 1 else row[key[0]]: row.asDict() for row in frame.collect()}
