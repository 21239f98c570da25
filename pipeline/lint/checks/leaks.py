"""Overlap with evaluation sets, by the rules of the stage guard: copies, near copies, texts within texts, queries.

But for siblings of one template, which guard cuts to be safe: here they would be named although they are no copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.guard.config import FLAGS
from pipeline.guard.one_task import READ, flag_in_one_task
from pipeline.lint.context import Lint
from pipeline.lint.findings import Finding, Found, Kind, LeftOut
from pipeline.lint.similar import are_siblings
from schemas.documents import EXACT

LEAK = Kind("leak", "a query, positive or negative that overlaps an evaluation set", removes=True)
KINDS = (LEAK,)
_CHARACTERS = 1 << 26  # of our texts compared at a time
_NO_LIMIT = 1 << 62


def find(lint: Lint) -> Iterator[Finding]:
    """Find them, queries and passages; without an evaluation set say so."""
    if lint.protected is None:
        yield LeftOut(LEAK, "no evaluation set is named; --against FOLDER looks for its texts")
        return
    rows = lint.set
    flags = _flag(lint)
    strength = {EXACT: "is", "near": "is nearly", "contained": "shares text with"}
    queries = np.flatnonzero([text in flags for text in rows.query.tolist()])
    passages = np.flatnonzero([text in flags for text in rows.text.tolist()])
    passage = np.concatenate([np.full(len(queries), -1), passages])
    of_row = np.concatenate([queries, rows.row[passages]])

    def tell(i: int) -> str:
        at = int(passage[i])
        flag = flags[int(rows.query[of_row[i]] if at < 0 else rows.text[at])]
        where = "query" if at < 0 else rows.places[rows.place[at]]
        return f"{where} {strength[flag['kind']]} {flag['eval_name']}/{flag['eval_id']} ({flag['overlap']:.2f})"

    yield Found(LEAK, of_row, passage, len(rows) + len(rows.text), "texts", tell)


def _flag(lint: Lint) -> dict[int, dict[str, Any]]:
    """Return the strongest overlap of each text that has one."""
    texts, found = lint.set.texts, dict[int, dict[str, Any]]()
    lengths = pc.fill_null(pc.utf8_length(texts.column), 0).to_numpy()
    parts = np.flatnonzero(np.diff(np.cumsum(lengths) // _CHARACTERS)) + 1
    told = _texts_of(lint)
    protected = lint.protected.select(READ).to_batches() if lint.protected is not None else []
    for part in np.split(np.arange(len(texts)), parts):
        ours = {name: pa.nulls(len(part), pa.string()) for name in READ}
        ours |= {"text_id": pa.array(part).cast(pa.string())}
        ours["text"] = texts.column.slice(int(part[0]), len(part)).combine_chunks().cast(pa.string())
        batches = [*protected, pa.RecordBatch.from_pydict(ours)]
        for flags in flag_in_one_task(iter(batches), lint.cfg.guard, _NO_LIMIT):
            for flag in flags.to_pylist():
                text = int(flag["text_id"])
                if flag["kind"] != EXACT and are_siblings(texts[text], told[flag["eval_name"], flag["eval_id"]]):
                    continue
                if text not in found or flag["overlap"] > found[text]["overlap"]:
                    found[text] = flag
    assert FLAGS.names[0] == "text_id"
    return found


def _texts_of(lint: Lint) -> dict[tuple[str, str], str]:
    """Return the protected texts by set and id."""
    if lint.protected is None:
        return {}
    columns = (lint.protected[name].to_pylist() for name in ("eval_name", "eval_id", "text"))
    return {(name, key): text for name, key, text in zip(*columns, strict=True)}
