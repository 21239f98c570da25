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
    names = list(known)
    plain = str(word).strip().lower().replace("-", "_").replace(" ", "_").lstrip("._")[:64]
    if not plain:
        return None
    by_plain = {name.lower(): name for name in reversed(names)}
    others = {word: next((name for name in called if name in names), None) for word, called in _ELSEWHERE.items()}
    if plain in by_plain or others.get(plain):
        return by_plain.get(plain) or others[plain]
    spellings = by_plain | {
        word: name for word, name in others.items() if name and len(word) > 4 and word not in by_plain
    }
    near = difflib.get_close_matches(plain, spellings, n=1, cutoff=_NEAR)
    begun = [name for name in by_plain if len(plain) > 2 and name.startswith(plain)]
    return spellings[near[0]] if near else by_plain[begun[0]] if len(begun) == 1 else None
