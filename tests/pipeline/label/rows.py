"""Rows of positives, scores and documents, and frames as dictionaries."""

from pyspark.sql import DataFrame

SEED = 13


def positive(query, doc, rule="qrels", reason=None, grade=1.0):
    return (query, f"text of {query}", doc, rule, grade, "domain", reason)


def score(query, doc, dense, is_positive=False, bm25_rank=None, ann_rank=None, bm25=None, similar=None, teacher=None):
    ranks = {"ann": (ann_rank, dense), "bm25": (bm25_rank, bm25)}
    hits = [(name, rank, found) for name, (rank, found) in ranks.items() if rank]
    return (query, doc, is_positive, hits, dense, similar, teacher, teacher and "model")


def document(doc, text, reason=None):
    return (doc, "source", "file", 1, doc, "", text, [], doc, "domain", None, len(text), doc, reason)


def as_dicts(frame: DataFrame, *key: str) -> dict:
    return {tuple(row[name] for name in key) if len(key) > 1 else row[key[0]]: row.asDict() for row in frame.collect()}
