"""Candidates, their signals and the ledger of verdicts."""

from __future__ import annotations

from schemas.table import DROP_REASON, HITS, Column, Table, refers

BM25, ANN, SYNTHETIC = "bm25", "ann", "synthetic"
LEXICAL, DENSE, WRITTEN = "lexical", "dense", "written"
# Retriever: what its scores are. A new one is a line here and a file in jobs/retrievers.
RETRIEVERS = {BM25: LEXICAL, ANN: DENSE, SYNTHETIC: WRITTEN}
# A candidate is a document or a negative that the language model wrote.
_QUERY = refers("query_id", "positives.query_id")
_CANDIDATE = refers("doc_id", "documents.doc_id", "synthetics.text_id")

EMBEDDINGS = Table(
    "embeddings",
    1,
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "document"),
        Column("vector", "array<float>", "L2-normalised embedding, (H,) float32"),
    ),
    references=(refers("doc_id", "documents.doc_id"),),
)

TEXT_EMBEDDINGS = Table(
    "text_embeddings",
    1,
    key=("text_id",),
    columns=(
        Column("text_id", "string", "query_id, or id of a synthetic negative"),
        Column("vector", "array<float>", "L2-normalised embedding, (H,) float32"),
    ),
    references=(refers("text_id", "positives.query_id", "synthetics.text_id"),),
)

CANDIDATES = Table(
    "candidates",
    1,
    key=("query_id", "doc_id", "retriever"),
    columns=(
        Column("query_id", "string", "query"),
        Column("doc_id", "string", "document that the retriever found"),
        Column("retriever", "string", "what found it", choices=tuple(RETRIEVERS)),
        Column("rank", "integer", "1 = first hit of the retriever", low=1),
        Column("score", "double", "the retriever's score, rounded to 6 decimals"),
    ),
    references=(_QUERY, _CANDIDATE),
)

_PAIR = (
    Column("query_id", "string", "query"),
    Column("doc_id", "string", "candidate or positive document"),
    Column("is_positive", "boolean", "whether the pair is a known positive"),
    Column("hits", HITS, "retriever, its rank and its score, by name of the retriever; empty = none found the pair"),
    Column("dense", "double", "cosine of query and document, 6 decimals", low=-1, high=1),
    Column(
        "positive_sim",
        "double",
        "highest cosine to another positive document of the query, 6 decimals; null = it has no other",
        nullable=True,
        low=-1,
        high=1,
    ),
    Column(
        "teacher",
        "double",
        "cross-encoder score in (0, 1), 6 decimals; null = not labelled (over the cap)",
        nullable=True,
        low=0,
        high=1,
    ),
    Column("teacher_model", "string", "digest of the cross-encoder", nullable=True),
)

SCORES = Table("scores", 2, key=("query_id", "doc_id"), columns=_PAIR, references=(_QUERY, _CANDIDATE))

# What became of a candidate.
KEPT, RELABELLED, VETOED, DROPPED = "kept", "relabelled", "vetoed", "dropped"

# And why.
POSITIVE = "positive"  # it is a known positive of the query
DUPLICATE_OF_POSITIVE = "duplicate_of_positive"
LIKELY_POSITIVE = "likely_positive"  # probability of being a false negative above the tolerated rate
PROMOTED = "promoted"  # that probability is so high that it is trained on as a positive
SURPLUS = "surplus"  # a good negative, over the number wanted
TOO_EASY = "too_easy"

VERDICTS = Table(
    "verdicts",
    2,
    key=("query_id", "doc_id"),
    columns=(
        *_PAIR,
        Column(
            "fn_probability",
            "double",
            "probability of being a false negative, 6 decimals",
            nullable=True,
            low=0,
            high=1,
        ),
        Column("threshold", "double", "probability above which a candidate was vetoed", low=0, high=1),
        Column("verdict", "string", "kept, relabelled, vetoed or dropped", choices=(KEPT, RELABELLED, VETOED, DROPPED)),
        Column("rank", "integer", "1 = hardest of the query's rows with this drop_reason", low=1),
        DROP_REASON,
    ),
    reasons=(POSITIVE, DUPLICATE_OF_POSITIVE, LIKELY_POSITIVE, PROMOTED, SURPLUS, TOO_EASY),
    references=(_QUERY, _CANDIDATE),
)
