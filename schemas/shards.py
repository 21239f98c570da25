"""What a published dataset looks like: examples, planned batches, one Parquet row group a batch."""

from __future__ import annotations

from schemas.pairs import LINKS, QRELS, SYNTHETIC_RULE, TITLE
from schemas.table import DROP_REASON, Column, Table, refers

PAIR_TASK, TRIPLET_TASK = "pair", "negatives"
PROMOTED_RULE = "promoted"  # a candidate that judging found to be a positive

# Why an example is in no batch.
INCOMPLETE_BATCH = "incomplete_batch"  # its domain had no full batch left for it
NO_NEGATIVES = "no_negatives"  # stage 2 wants at least one
SURPLUS_EXAMPLE = "surplus_example"  # over the share of its rule, or over the number wanted of its query

NATIVE_IDS = ("query_native_id", "positive_native_id", "negative_native_ids")  # for people; versions before lack them

_EXAMPLE = (
    Column("example_id", "string", "hash of query_id and positive_id", filled=True),
    Column(
        "task",
        "string",
        "pair = in-batch negatives only (stage 1); negatives = with mined negatives (stage 2)",
        choices=(PAIR_TASK, TRIPLET_TASK),
    ),
    Column("domain", "string", "one domain a batch", filled=True),
    Column(
        "rule",
        "string",
        "title, links, qrels, synthetic or promoted",
        choices=(TITLE, LINKS, QRELS, SYNTHETIC_RULE, PROMOTED_RULE),
    ),
    Column("query_id", "string", "query"),
    Column("query", "string", "its text"),
    Column("query_native_id", "string", "id that a source gives the query; null = it has none", nullable=True),
    Column("positive_id", "string", "document"),
    Column("positive", "string", "its text"),
    Column(
        "positive_native_id",
        "string",
        "id that the source gives the document, or the one that a passage is cut from; null = it has none",
        nullable=True,
    ),
    Column("negative_ids", "array<string>", "hardest first; empty in stage 1"),
    Column("negatives", "array<string>", "their texts, as many as negative_ids"),
    Column("negative_native_ids", "array<string>", "ids that their sources give them, as many; empty = it has none"),
    Column("negative_fn", "array<double>", "their probability of being a false negative"),
    Column("positive_teacher", "double", "cross-encoder score of the positive", nullable=True, low=0, high=1),
    Column("negative_teacher", "array<double>", "cross-encoder scores of the negatives; -1 = not labelled"),
    Column(
        "known_ids",
        "array<string>",
        "every document that may not stand against this query: its positives, their duplicates, vetoed candidates",
    ),
)

EXAMPLES = Table(
    "examples",
    2,
    key=("stage", "example_id"),
    columns=(
        Column("stage", "integer", "training stage, 1 or 2", low=1, high=2),
        *_EXAMPLE,
        Column("batch", "integer", "batch of its stage, counted from 0; null = in none", nullable=True, low=0),
        Column("position", "integer", "place in the batch, from 0", nullable=True, low=0),
        DROP_REASON,
    ),
    reasons=(INCOMPLETE_BATCH, NO_NEGATIVES, SURPLUS_EXAMPLE),
    references=(
        refers("query_id", "positives.query_id"),
        refers("positive_id", "documents.doc_id", "synthetics.text_id"),
    ),
)

# A shard row: the columns of a Parquet file under datasets/<name>/<version>/stage<N>/. Row group i of a file is one
# batch, in the order of `position`.
SHARDS = Table(
    "shards",
    2,
    key=("batch", "position"),
    columns=(
        Column("batch", "integer", "batch of its stage, counted from 0", low=0),
        Column("position", "integer", "place in the batch, from 0", low=0),
        *_EXAMPLE,
    ),
)
