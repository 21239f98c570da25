"""The reader of SQuAD files: contexts are documents, questions are queries, and a context answers its question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.readers.config import EncodedConfig
from pipeline.readers.format import Format
from pipeline.readers.formats.json_arrays import read_items
from pipeline.readers.records import DOCUMENT, NOT_SQUAD, QREL, QUERY, Record, reject
from pipeline.readers.unit import Unit
from schemas.beir import read_id


def read_squad(unit: Unit, source: EncodedConfig) -> Iterator[Record]:
    """Yield contexts as documents, questions as queries, and that a context answers its question.

    Questions without an answer (SQuAD 2.0) are queries without a judgement. A context without an id of its own has
    that of its file and ordinal.
    """
    made = 0
    for number, item in read_items(unit, source, ["data"]):
        if isinstance(item, Record):
            yield item
            continue
        try:
            records = list(_article(item.value, unit.path, made))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            detail = f"an article must have paragraphs with a context and qas; {type(error).__name__}: {error}"
            yield reject(unit.path, number, NOT_SQUAD, detail, item.raw)
            continue
        made += sum(record.kind == DOCUMENT for record in records)
        yield from records


def _article(article: Mapping[str, Any], path: str, made: int) -> Iterator[Record]:
    title = _text_of(article.get("title", "")).replace("_", " ")
    for ordinal, paragraph in enumerate(article["paragraphs"], made + 1):
        native = read_id(paragraph.get("id")) or f"{path}#{ordinal}"
        yield Record(DOCUMENT, path, ordinal, native_id=native, title=title, text=_text_of(paragraph["context"]))
        for asked in paragraph["qas"]:
            query = read_id(asked["id"])
            if query is None:
                raise KeyError("a question without an id")
            yield Record(QUERY, path, ordinal, native_id=query, text=_text_of(asked["question"]))
            if not asked.get("is_impossible", False):
                yield Record(QREL, path, ordinal, native_id=query, links=[native], grade=1.0)


def _text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text must be a string, got {type(value).__name__}")
    return value


FORMATS = (Format("squad", read_squad, EncodedConfig, suffixes=(".json",), holds_judgements=True),)
