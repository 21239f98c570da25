"""Which setting makes a row have its reason: named wherever a reason is, so that nobody looks for it in the code.

A new drop reason gets a row here: of ``SETTING_OF``, or of ``NO_SETTING`` where no setting makes it.
"""

from __future__ import annotations

from collections.abc import Mapping

# By reason, as the recipe writes the setting; of several the one that most often has to be changed comes first.
SETTING_OF: dict[str, str] = {
    # documents, as they are read
    "too_short": "sources.<name>.min_chars",
    "too_long": "sources.<name>.max_chars",
    "split": "passages.tokens",
    "repeated_lines": "sources.<name>.clean.max_repeated_lines",
    "repeated_ngrams": "sources.<name>.clean.max_repeated_ngram",
    "boilerplate": "sources.<name>.clean.max_boilerplate",
    "too_many_symbols": "sources.<name>.clean.max_symbols",
    "odd_words": "sources.<name>.clean.min_word_length, sources.<name>.clean.max_word_length",
    "other_language": "sources.<name>.clean.languages",
    "erased": "erase",
    # documents beside others
    "near_duplicate": "dedupe.threshold",
    "semantic_duplicate": "dedupe.semantic",
    "repeated_spans": "dedupe.spans",
    "held_out": "holdout.fraction, holdout.max_queries",
    "leak": "guard.containment, guard.threshold",
    # records that could not be read
    "too_large": "sources.<name>.max_bytes",
    "bomb": "sources.<name>.max_unpacked",
    "too_slow": "sources.<name>.max_seconds",
    "wrong_encoding": "sources.<name>.encoding",
    "missing_field": "sources.<name>.fields",
    "wrong_type": "sources.<name>.fields",
    "wrong_columns": "sources.<name>.delimiter, sources.<name>.columns",
    # positives
    "query_too_short": "pair.min_words",
    "query_too_long": "pair.max_words, pair.max_chars",
    "query_too_common": "pair.max_docs_per_query",
    "protected_query": "pair.protect_similarity",
    "duplicate_pair": "pair.pair_similarity",
    "surplus_pair": "pair.max_per_rule",
    # texts that a model wrote
    "text_too_short": "synthesise.min_query_words, synthesise.min_negative_words",
    "text_too_long": "synthesise.max_query_words, synthesise.max_negative_words",
    "copy_of_source": "synthesise.max_copy",
    "repetition": "synthesise.max_repetition",
    "round_trip_failed": "synthesise.round_trip_depth",
    # candidates
    "duplicate_of_positive": "judge.duplicate_cosine",
    "likely_positive": "judge.tolerance",
    "promoted": "judge.promote_above",
    "surplus": "judge.per_query",
    "too_easy": "judge.min_dense",
    # examples
    "incomplete_batch": "assemble.min_batch",
    "no_negatives": "judge.tolerance, judge.min_dense",
    "surplus_example": "assemble.shares, assemble.positives_per_query",
}
# A context line is held to fixed bounds; the same codes there are not synthesise's.
_OF_TABLE: dict[str, dict[str, str]] = {
    "contexts": dict.fromkeys(("text_too_short", "text_too_long", "copy_of_source", "repetition"), "passages.context"),
}
NO_SETTING: dict[str, str] = {
    "document_dropped": "the judged document itself has a drop_reason",
    "own_document": "the document is the query itself",
    "duplicate_id": "the source gives its id to an earlier document",
    "no_letters": "a text without letters or digits",
    "exact_duplicate": "the same text as another document",
    "query_in_text": "the text holds the query word for word",
    "unparsable": "the reply holds no text of the form that was asked for",
    "duplicate_text": "the text is one that was known or written before",
    "ungrounded": "most of its words are in nothing that the model was shown",
    "unknown_query": "the source judges by a query that it does not have",
    "unknown_document": "the source judges a document that it does not have",
    "not_relevant": "a grade of 0 or below says that the document is no answer",
    "positive": "a known positive of the query is no negative",
}


def count_by_setting(counts: Mapping[str, int], table: str = "") -> str:
    """Return counts by reason as a line says them, each with the setting that makes it."""
    named = ((reason, count, setting_of(reason, table)) for reason, count in counts.items())
    return ", ".join(f"{reason} {count:,}" + (f" ({setting})" if setting else "") for reason, count, setting in named)


def setting_of(reason: str, table: str = "") -> str:
    """Return the setting, or settings, that make a reason in a table; empty when none does."""
    return _OF_TABLE.get(table, {}).get(reason) or SETTING_OF.get(reason, "")
