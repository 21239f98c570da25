"""Texts that are longer than the model reads: what lies beyond is cut, whatever it says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from pipeline.lint.context import Lint
from pipeline.lint.findings import WARNING, Finding, Found, Kind, LeftOut
from pipeline.similarity.shingles import I64, mix

TOO_LONG = Kind("too_long", "texts that are longer than the model reads", WARNING)
KINDS = (TOO_LONG,)
_COUNTED = 3000  # texts whose tokens are counted
_MOST_CHARS = 20_000  # of a text that are counted: beyond it is too long for any count


def find(lint: Lint) -> Iterator[Finding]:
    """Count the tokens of a sample of the texts that may be too long: those of more characters than tokens are read."""
    tools = lint.tools
    if tools is None or tools.reads is None:
        yield LeftOut(TOO_LONG, lint.why_no_model if tools is None else "the model does not say how much it reads")
        return
    rows, read = lint.set, tools.reads - tools.counter.around
    drawn = np.argsort(mix(rows.texts.keys + np.uint64(lint.cfg.seed)), kind="stable")
    chars = pc.fill_null(pc.utf8_length(rows.texts.column), 0).to_numpy()
    sample = drawn[: _sample_size(chars[drawn] > read)]
    may_be = np.sort(sample[chars[sample] > read])
    tokens = np.array(tools.counter.count([text[:_MOST_CHARS] for text in rows.texts.take(may_be)]), np.int64)
    cut, lost = may_be[tokens > read], tokens[tokens > read]
    roles = [
        f"{name} {share:.1%}"
        for name, share in (
            ("queries", _share(rows.query, cut, sample)),
            ("positives", _share(rows.text[rows.is_positive], cut, sample)),
            ("negatives", _share(rows.text[rows.is_negative], cut, sample)),
        )
        if share is not None
    ]
    unread = 1 - read / lost.mean() if len(lost) else 0.0
    told = f"{tools.name} reads {tools.reads} tokens; cut: {', '.join(roles)}; {unread:.0%} of a cut text is not read"
    row, passage = _first_places(lint, cut)
    is_found = len(cut) > lint.cfg.cut_share * len(sample)
    shown = slice(None) if is_found else slice(0)
    yield Found(
        TOO_LONG,
        row[shown],
        passage[shown],
        len(sample),
        "texts",
        lambda i: f"{lost[i]:,} tokens",
        told if len(cut) else "",
        is_found,
        is_sample=len(sample) < len(rows.texts),
    )


def _sample_size(may_be: np.typing.NDArray[np.bool_]) -> int:
    """Return how many texts, in their order, hold so many that may be too long."""
    counted = np.cumsum(may_be)
    return len(may_be) if not len(may_be) or counted[-1] <= _COUNTED else int(np.searchsorted(counted, _COUNTED)) + 1


def _share(texts: I64, cut: I64, sample: I64) -> float | None:
    """Return which share of the sampled texts among some is cut; None where none of them was looked at."""
    looked = np.intersect1d(texts, sample)
    return float(np.isin(looked, cut).mean()) if len(looked) else None


def _first_places(lint: Lint, texts: I64) -> tuple[I64, I64]:
    """Return row and passage where each text stands first; passage -1 for a query."""
    rows = lint.set
    passages, first = np.unique(rows.text, return_index=True)
    queries, asked = np.unique(rows.query, return_index=True)
    is_passage = np.isin(texts, passages)
    passage = np.where(is_passage, first[np.searchsorted(passages, texts) % len(passages)], -1) if len(first) else -1
    row = np.where(is_passage, rows.row[passage], asked[np.searchsorted(queries, texts) % len(queries)])
    return row.astype(np.int64), np.broadcast_to(passage, texts.shape).astype(np.int64)
