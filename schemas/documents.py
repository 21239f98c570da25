"""The corpus half: documents, rejects, duplicates, leaks, domains and the protected evaluation sets."""

from __future__ import annotations

from schemas.table import DROP_REASON, Column, Reference, Table, refers

# Why a document is not read by later stages.
DUPLICATE_ID = "duplicate_id"  # the source gives this id to an earlier document
TOO_SHORT = "too_short"
TOO_LONG = "too_long"
NO_LETTERS = "no_letters"
REPEATED_LINES = "repeated_lines"
REPEATED_NGRAMS = "repeated_ngrams"
BOILERPLATE = "boilerplate"
TOO_MANY_SYMBOLS = "too_many_symbols"
ODD_WORDS = "odd_words"  # on average too short or too long to be words
OTHER_LANGUAGE = "other_language"
SPLIT = "split"  # its passages stand in its place
ERASED = "erased"  # on request: the row is left, its text is not
EXACT_DUPLICATE = "exact_duplicate"
NEAR_DUPLICATE = "near_duplicate"
SEMANTIC_DUPLICATE = "semantic_duplicate"  # says the same in other words
REPEATED_SPANS = "repeated_spans"  # nearly all of it stands in other documents, a run of sentences here, one there
HELD_OUT = "held_out"  # belongs to the evaluation set of this dataset
LEAK = "leak"  # overlaps a protected evaluation set

DOCUMENTS = Table(
    "documents",
    1,
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "hash of source, path, native id, title and text", filled=True),
        Column("source", "string", "name of the source in the recipe"),
        Column("path", "string", "file the document came from, relative to the source"),
        Column("line", "integer", "1-based line (or ordinal, for formats without lines) in that file", low=1),
        Column(
            "native_id", "string", "id that the source itself gives, e.g. a BEIR _id or a dotted symbol", nullable=True
        ),
        Column("title", "string", "heading, question or summary line; empty when there is none"),
        Column("text", "string", "what is embedded and trained on"),
        Column("links", "array<string>", "native ids of related documents that the source names"),
        Column("family", "string", "what may never be split between training and evaluation", filled=True),
        Column("domain", "string", "domain by source rule", filled=True),
        Column("license", "string", "licence of the document", nullable=True),
        Column("chars", "integer", "characters of text", low=0),
        Column("text_hash", "string", "hash of the text, white space aside: equal means exact duplicate"),
        DROP_REASON,
    ),
    reasons=(
        DUPLICATE_ID,
        TOO_SHORT,
        TOO_LONG,
        NO_LETTERS,
        SPLIT,
        ERASED,
        REPEATED_LINES,
        REPEATED_NGRAMS,
        BOILERPLATE,
        TOO_MANY_SYMBOLS,
        ODD_WORDS,
        OTHER_LANGUAGE,
        EXACT_DUPLICATE,
        NEAR_DUPLICATE,
        SEMANTIC_DUPLICATE,
        REPEATED_SPANS,
        HELD_OUT,
        LEAK,
    ),
)

ANNOTATIONS = Table(
    "annotations",
    1,
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "document of a source that asks for cleaning"),
        Column("repaired", "boolean", "whether wrongly decoded text was repaired", nullable=True),
        Column("language", "string", "ISO 639-1 code; null = not asked for", nullable=True),
        Column("language_score", "double", "probability of that language", nullable=True, low=0, high=1),
        Column("failed_rules", "array<string>", "every rule the text breaks; the first is its drop_reason"),
        Column("pii", "array<string>", "kinds of personal data found: email, card, ip, phone"),
    ),
    references=(refers("doc_id", "documents.doc_id"),),
)

PASSAGES = Table(
    "passages",
    1,
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "the document that is a passage: hash of parent_id, start and end"),
        Column("parent_id", "string", "the document that it is cut from, which has the drop_reason split"),
        Column("place", "integer", "1 = the first passage of its parent"),
        Column("start", "integer", "where it begins in the parent's text, in characters from 0"),
        Column("end", "integer", "where it ends there; white space, and a heading that became its title, count too"),
        Column("tokens", "integer", "tokens of its text, special tokens of the model included"),
    ),
)

REJECTS = Table(
    "rejects",
    1,
    key=("source", "path", "line"),
    columns=(
        Column("source", "string", "name of the source in the recipe"),
        Column("path", "string", "file, relative to the source"),
        Column("line", "integer", "1-based line; 0 = the file as a whole", low=0),
        Column("reason", "string", "what was wrong, as a short code", filled=True),
        Column("detail", "string", "what was wrong, for a person"),
        Column("raw", "binary", "the first 64 KiB of the bytes that could not be read"),
    ),
)

UNKNOWN_QUERY = "unknown_query"  # the source has no query of that id
UNKNOWN_DOCUMENT = "unknown_document"  # the source has no document of that id
NOT_RELEVANT = "not_relevant"  # a grade of 0 or below: judged, and found no answer

JUDGEMENTS = Table(
    "judgements",
    2,
    key=("source", "query_native_id", "doc_native_id"),
    columns=(
        Column("source", "string", "name of the source in the recipe"),
        Column("query_native_id", "string", "id that the source gives the query"),
        Column("query", "string", "text of the query; empty where it is unknown"),
        Column("doc_native_id", "string", "id that the source gives the document"),
        Column("grade", "double", "relevance; 0 and below: not relevant"),
        DROP_REASON,
    ),
    reasons=(UNKNOWN_QUERY, UNKNOWN_DOCUMENT, NOT_RELEVANT),
)

EXACT, NEAR, CONTAINED, SEMANTIC = "exact", "near", "contained", "semantic"

DUPLICATES = Table(
    "duplicates",
    2,
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "the document that was dropped"),
        Column("survivor_id", "string", "the document that is kept in its place"),
        Column("kind", "string", "exact, near or semantic", choices=(EXACT, NEAR, SEMANTIC)),
        Column(
            "jaccard",
            "double",
            "verified Jaccard similarity to the nearest linked document of the cluster; null = semantic",
            nullable=True,
            low=0,
            high=1,
        ),
        Column(
            "cosine",
            "double",
            "cosine to the nearest linked document of the cluster; null = not semantic",
            nullable=True,
            low=-1,
            high=1,
        ),
    ),
    references=(refers("doc_id", "documents.doc_id"), refers("survivor_id", "documents.doc_id")),
)

REPEATS = Table(
    "repeats",
    1,
    key=("doc_id", "start"),
    columns=(
        Column("doc_id", "string", "a document that repeats a run of sentences"),
        Column("start", "integer", "where it begins in the text as it was read, in characters from 0", low=0),
        Column("end", "integer", "where it ends there", low=1),
        Column("kept_id", "string", "the document in which that run stays"),
    ),
    references=(refers("doc_id", "documents.doc_id"), refers("kept_id", "documents.doc_id")),
)

SIGNATURES = Table(
    "signatures",
    1,
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "a document that is kept"),
        Column("minhash", "array<long>", "datasketch.MinHash.hashvalues, scheme affine32: each permutation's minimum"),
    ),
    references=(refers("doc_id", "documents.doc_id"),),
)

LEAKS = Table(
    "leaks",
    1,
    key=("doc_id", "eval_name", "eval_id", "kind"),
    columns=(
        Column("doc_id", "string", "the training document that overlaps"),
        Column("eval_name", "string", "the protected evaluation set"),
        Column("eval_id", "string", "its document or query"),
        Column(
            "kind",
            "string",
            "exact, near (Jaccard) or contained (n-gram containment)",
            choices=(EXACT, NEAR, CONTAINED),
        ),
        Column("overlap", "double", "Jaccard or containment, 1.0 for exact", low=0, high=1),
    ),
    references=(
        refers("doc_id", "documents.doc_id"),
        Reference(
            ("eval_name", "eval_id"),
            (("eval_corpus", ("eval_name", "doc_id")), ("eval_queries", ("eval_name", "query_id"))),
        ),
    ),
)

DOMAINS = Table(
    "domains",
    1,
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "document"),
        Column("domain", "string", "the domain it is trained under", filled=True),
    ),
    references=(refers("doc_id", "documents.doc_id"),),
)

GUESSES = Table(
    "guesses",
    1,
    key=("doc_id",),
    columns=(
        Column("doc_id", "string", "document whose domain its source does not say, or is not asked for"),
        Column("guess", "string", "the likeliest domain, or the nearest cluster, before small ones are merged"),
        Column("confidence", "double", "probability of the domain, or cosine to the cluster's centre"),
    ),
)

EVAL_CORPUS = Table(
    "eval_corpus",
    1,
    key=("eval_name", "doc_id"),
    columns=(
        Column("eval_name", "string", "evaluation set"),
        Column("doc_id", "string", "document"),
        Column("text", "string", "what is embedded"),
        Column("domain", "string", "for the table per domain"),
        Column("protect", "boolean", "whether training documents that overlap with it are cut"),
    ),
)

EVAL_QUERIES = Table(
    "eval_queries",
    1,
    key=("eval_name", "query_id"),
    columns=(
        Column("eval_name", "string", "evaluation set"),
        Column("query_id", "string", "query"),
        Column("query", "string", "its text; always protected", filled=True),
        Column("domain", "string", "for the table per domain"),
    ),
)

EVAL_QRELS = Table(
    "eval_qrels",
    1,
    key=("eval_name", "query_id", "doc_id"),
    columns=(
        Column("eval_name", "string", "evaluation set"),
        Column("query_id", "string", "query"),
        Column("doc_id", "string", "relevant document"),
        Column("relevance", "integer", "grade, 1 or more", low=1),
    ),
    # A public set may judge documents that its corpus leaves out.
    references=(Reference(("eval_name", "query_id"), (("eval_queries", ("eval_name", "query_id")),)),),
)
