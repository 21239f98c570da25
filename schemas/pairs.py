"""Positives, and what the LLM was asked, answered and is believed to have written."""

from __future__ import annotations

from schemas.documents import LEAK
from schemas.table import DROP_REASON, Column, Table, refers

# Why a positive is not trained on.
QUERY_TOO_SHORT = "query_too_short"
QUERY_TOO_LONG = "query_too_long"
QUERY_IN_TEXT = "query_in_text"  # the text holds the query word for word: no signal
QUERY_TOO_COMMON = "query_too_common"  # the query belongs to too many documents to mean one
PROTECTED_QUERY = "protected_query"  # too close to a query of a protected evaluation set
DUPLICATE_PAIR = "duplicate_pair"
DOCUMENT_DROPPED = "document_dropped"  # a judged document that has a drop_reason itself
OWN_DOCUMENT = "own_document"  # the document is the query itself: no answer to it, and no negative either
SURPLUS_PAIR = "surplus_pair"  # over the recipe's cap for its domain and rule

TITLE, LINKS, QRELS, SYNTHETIC_RULE = "title", "links", "qrels", "synthetic"  # rules that give positives

POSITIVES = Table(
    "positives",
    1,
    key=("query_id", "doc_id"),
    columns=(
        Column("query_id", "string", "hash of the query, white space aside: equal queries share their positives"),
        Column("query", "string", "text of the query", filled=True),
        Column("doc_id", "string", "document that answers it"),
        Column(
            "rule",
            "string",
            "where the pair comes from: title, links, qrels or synthetic",
            choices=(TITLE, LINKS, QRELS, SYNTHETIC_RULE),
        ),
        Column("grade", "double", "relevance, 1.0 unless the source grades", low=0),
        Column("domain", "string", "domain of the document"),
        DROP_REASON,
    ),
    reasons=(
        DOCUMENT_DROPPED,
        OWN_DOCUMENT,
        QUERY_TOO_SHORT,
        QUERY_TOO_LONG,
        QUERY_IN_TEXT,
        QUERY_TOO_COMMON,
        PROTECTED_QUERY,
        DUPLICATE_PAIR,
        SURPLUS_PAIR,
    ),
    references=(refers("doc_id", "documents.doc_id"),),
)

QUERY, NEGATIVE = "query", "negative"

REQUESTS = Table(
    "requests",
    1,
    key=("request_id",),
    columns=(
        Column("request_id", "string", "hash of kind, doc_id, query_id and prompt"),
        Column(
            "kind",
            "string",
            "query = write a query for doc_id; negative = write a hard negative for (query_id, doc_id)",
            choices=(QUERY, NEGATIVE),
        ),
        Column("doc_id", "string", "the document shown in the prompt"),
        Column("query_id", "string", "the query shown in the prompt", nullable=True),
        Column("prompt", "string", "the whole prompt", filled=True),
    ),
    references=(refers("doc_id", "documents.doc_id"), refers("query_id", "positives.query_id")),
)

REPLIES = Table(
    "replies",
    1,
    key=("request_id",),
    columns=(
        Column("request_id", "string", "the request it answers"),
        Column("reply", "string", "raw text, stored before it is parsed"),
        Column("finish_reason", "string", "stop, length or error"),
        Column("model", "string", "digest of the model that wrote it", filled=True),
    ),
    references=(refers("request_id", "requests.request_id"),),
)

# Why a synthetic text is not used.
UNPARSABLE = "unparsable"
TEXT_TOO_SHORT = "text_too_short"
TEXT_TOO_LONG = "text_too_long"
COPY = "copy_of_source"
REPETITION = "repetition"
UNGROUNDED = "ungrounded"  # most of its words are in nothing that the model was shown
ROUND_TRIP = "round_trip_failed"  # the document is not among the first hits for its query
DUPLICATE_TEXT = "duplicate_text"

SYNTHETICS = Table(
    "synthetics",
    1,
    key=("request_id",),
    columns=(
        Column("request_id", "string", "the request it comes from"),
        Column("kind", "string", "query or negative", choices=(QUERY, NEGATIVE)),
        Column("text_id", "string", "query_id of a query; document id (hash) of a negative"),
        Column("text", "string", "what the model wrote, cleaned; empty when unparsable"),
        Column("doc_id", "string", "the document it was written for"),
        Column("query_id", "string", "the query that a negative was written against", nullable=True),
        Column(
            "round_trip_rank",
            "integer",
            "rank of doc_id among the hits of a query; null = not found or not asked",
            nullable=True,
            low=1,
        ),
        DROP_REASON,
    ),
    reasons=(
        UNPARSABLE,
        TEXT_TOO_SHORT,
        TEXT_TOO_LONG,
        COPY,
        REPETITION,
        ROUND_TRIP,
        DUPLICATE_TEXT,
        PROTECTED_QUERY,
        LEAK,
    ),
    references=(
        refers("request_id", "requests.request_id"),
        refers("doc_id", "documents.doc_id"),
        refers("query_id", "positives.query_id"),
    ),
)

CONTEXTS = Table(
    "contexts",
    1,
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "passage that the model was asked about"),
        Column("reply", "string", "what it answered, raw"),
        Column("finish_reason", "string", "why it ended: stop, length or error"),
        Column("model", "string", "digest of the model, or of the server and the name it is asked under"),
        Column("context", "string", "the line in it: where the passage stands in its document"),
        DROP_REASON,
    ),
    reasons=(UNPARSABLE, TEXT_TOO_SHORT, TEXT_TOO_LONG, REPETITION, COPY, UNGROUNDED),
)

SEE_ALSO_MARK = " see also "
