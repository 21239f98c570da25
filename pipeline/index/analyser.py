"""Whether the index's analyser fits the texts: the languages of a sample of documents.

With the analyser of another language BM25 still finds something, and nobody is told that stems and stop words are
wrong, or that a text without spaces was one word. So a language that most of a sample is surely in, and that is not the
one of the recipe, is said.

Known weakness: close relatives (Danish and Norwegian) count as one; code and tables are in no language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline.ids import unit_column
from pipeline.index.config import LANGUAGES, IndexConfig
from pipeline.languages import identify_language
from schemas.errors import rule

SAMPLE = 400  # documents
_CHARS, _LEAST_CHARS = 1_000, 60  # of a text: what is looked at, and what nobody can tell a language from
_SURE = 0.95
_SHOWN = 10  # documents at least that a language is told from
_RELATIVES = {"nb": "no", "nn": "no", "da": "no"}


@dataclass(frozen=True)
class Foreign:
    """A language, not that of the index, which so large a share of so many documents is surely in."""

    language: str
    share: float
    documents: int

    def fault(self, cfg: IndexConfig) -> str:
        """Return it as a fault of the recipe."""
        must_be = f"the language of the documents ({self.share:.0%} of {self.documents} looked at are {self.language})"
        way_out = f"{self.language}, or index.max_foreign: 1" if self.has_analyser else "index.max_foreign: 1"
        return rule("index.language", must_be, cfg.language, way_out)

    @property
    def has_analyser(self) -> bool:
        """Whether the index can be built for it."""
        return self.language in LANGUAGES


def sample_texts(documents: DataFrame, seed: int) -> DataFrame:
    """Return the beginnings of some documents, drawn by hash of seed and id.

    In:   (doc_id, text).
    Out:  (text), at most 400 rows.
    """
    drawn = documents.orderBy(unit_column(seed, F.lit("language"), F.col("doc_id")), "doc_id").limit(SAMPLE)
    return drawn.select(F.substring("text", 1, _CHARS).alias("text"))


def find_foreign(texts: Sequence[str], cfg: IndexConfig) -> Foreign | None:
    """Return the language that more than ``max_foreign`` of the texts are in, if that is not the index's; else None.

    Cost: a millisecond a text, and a second for the model.
    """
    long = [text for text in texts if len(text) >= _LEAST_CHARS or not text.isascii()]
    if len(long) < _SHOWN:
        return None
    found = (identify_language(text) for text in long)
    counts = Counter(_RELATIVES.get(code, code) for code, probability in found if probability >= _SURE)
    code, count = max(counts.items(), key=lambda each: (each[1], each[0]), default=("", 0))
    is_own = code == _RELATIVES.get(cfg.language, cfg.language)
    share = count / len(texts)
    return None if is_own or share <= cfg.max_foreign else Foreign(code, round(share, 4), len(texts))
