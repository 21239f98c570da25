"""Which known word somebody meant: another spelling of it, or what other tools call it.

Known weakness: two short words that differ in one letter of three (``tsv``, ``csv``) are near, so that what is meant is
asked, never taken.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_NEAR = 0.65  # of difflib's ratio: one letter of three may differ, or two may be swapped
# By a word of other tools: what it may be called here, the likelier word first.
_ELSEWHERE = {
    "abstract": ("text",),
    "answer": ("text",),
    "answers": ("text",),
    "article": ("text",),
    "base_model": ("model", "base"),
    "batch_size": ("batch", "mini_batch", "batch_stage1"),
    "body": ("text",),
    "body_text": ("text",),
    "category": ("domain",),
    "charset": ("encoding",),
    "chunk_overlap": ("overlap",),
    "chunk_size": ("tokens",),
    "content": ("text",),
    "contents": ("text",),
    "cross_encoder": ("label",),
    "data": ("sources",),
    "dataset": ("sources",),
    "datasets": ("sources",),
    "description": ("text",),
    "dir": ("path",),
    "directory": ("path",),
    "doc_id": ("id",),
    "docid": ("id",),
    "docs": ("sources",),
    "document": ("text",),
    "document_prefix": ("doc_prefix",),
    "documents": ("sources",),
    "embedding_model": ("encoder",),
    "eval": ("evaluation", "evaluate"),
    "eval_sets": ("evaluation",),
    "field_map": ("fields",),
    "file": ("path",),
    "filename": ("path",),
    "files": ("path", "sources"),
    "folder": ("path",),
    "glob": ("path",),
    "group": ("family",),
    "header": ("columns",),
    "heading": ("title",),
    "headline": ("title",),
    "htm": ("html",),
    "index": ("id",),
    "inputs": ("sources",),
    "key": ("id",),
    "label": ("domain",),
    "lang": ("language", "languages"),
    "licence": ("license",),
    "limit_docs": ("limit",),
    "llm": ("synthesise",),
    "location": ("path",),
    "lr": ("learning_rate",),
    "markdown_folder": ("markdown",),
    "max_len": ("max_length",),
    "max_seq_length": ("max_length",),
    "md": ("markdown",),
    "mdx": ("markdown",),
    "model_path": ("model",),
    "name_or_path": ("model",),
    "ndjson": ("jsonl",),
    "num_epochs": ("epochs",),
    "num_negatives": ("negatives",),
    "num_train_epochs": ("epochs",),
    "number": ("id",),
    "output_name": ("name",),
    "page": ("text",),
    "paragraph": ("text",),
    "passage": ("text",),
    "passage_prefix": ("doc_prefix",),
    "plain": ("text",),
    "plaintext": ("text",),
    "pq": ("parquet",),
    "qrels": ("evaluation",),
    "query_prompt": ("query_prefix",),
    "question": ("title",),
    "references": ("links",),
    "reranker": ("label",),
    "rst": ("text",),
    "section": ("domain",),
    "see_also": ("links",),
    "sep": ("delimiter",),
    "separator": ("delimiter",),
    "similarity": ("threshold",),
    "subject": ("title",),
    "synthesize": ("synthesise",),
    "tab": ("tsv",),
    "tags": ("domain",),
    "teacher": ("label",),
    "test_sets": ("evaluation",),
    "topic": ("domain",),
    "txt": ("text",),
    "type": ("format",),
    "uid": ("id",),
    "uri": ("path", "url"),
    "url": ("path", "id"),
    "uuid": ("id",),
    "wet": ("warc",),
    "xhtml": ("html",),
}


def find_nearest(word: object, known: Iterable[str]) -> str | None:
    """Return the known word that was meant by another one; None when no word is near."""
    names, plain = list(known), _plain(word)
    same = find_synonym(word, names)
    if same or not plain:
        return same
    by_plain = {name.lower(): name for name in reversed(names)}
    others = {other: found for other in _ELSEWHERE if len(other) > 4 and (found := find_synonym(other, names))}
    near = difflib.get_close_matches(plain, others | by_plain, n=1, cutoff=_NEAR)
    begun = [name for name in by_plain if len(plain) > 2 and name.startswith(plain)]
    return (others | by_plain)[near[0]] if near else by_plain[begun[0]] if len(begun) == 1 else None


def find_synonym(word: object, known: Iterable[str]) -> str | None:
    """Return the known word itself in other letters, or what another tool's word is called here."""
    names, plain = list(known), _plain(word)
    same = next((name for name in names if name.lower() == plain), None)
    return same or next((name for name in _ELSEWHERE.get(plain, ()) if name in names), None)


def _plain(word: object) -> str:
    return str(word).strip().lower().replace("-", "_").replace(" ", "_").lstrip("._")[:64]
