"""What counts as overlap with a protected evaluation set."""

from __future__ import annotations

import pyarrow as pa

from pipeline.similarity.minhash import Signing, choose_banding, why_no_banding
from pipeline.text import normal_form
from schemas.config import Config, setting
from schemas.errors import rule

DOCUMENT, QUERY = "document", "query"  # the roles of protected texts
FLAGS = pa.schema(
    [
        ("text_id", pa.string()),
        ("eval_name", pa.string()),
        ("eval_id", pa.string()),
        ("kind", pa.string()),
        ("overlap", pa.float64()),
    ]
)


class GuardConfig(Config):
    """What counts as overlap with a protected evaluation set."""

    threshold: float = setting(0.7, "Jaccard similarity of word n-grams from which a text leaks", low=0.05, high=1.0)
    containment: float = setting(
        0.5,
        "share of a protected document's countable n-grams in a text, or the reverse, from which the text leaks",
        low=0.05,
        high=1.0,
    )
    ngram: int = setting(3, "words an n-gram; characters in scripts without spaces", low=1, high=64)
    common: int = setting(10, "n-grams in more texts than this, protected ones included, are not countable", low=2)
    min_shared: int = setting(5, "countable n-grams that a contained text shares at least", low=1)
    query_words: int = setting(12, "protected queries of at least so many words are looked for word for word", low=1)
    recall: float = setting(0.995, "probability with which a pair at the threshold is compared", low=0.5, high=0.999999)
    permutations: int = setting(128, "MinHash permutations, at most", low=1, high=4096)
    seed: int = setting(13, "of the permutations", low=0, high=(1 << 32) - 1)

    def faults(self) -> list[str]:
        """Require queries of at least one n-gram."""
        if self.query_words >= self.ngram:
            return []
        return [rule("query_words", f"at least ngram ({self.ngram})", self.query_words)]

    def faults_of_banding(self) -> list[str]:
        """Require a banding for the threshold."""
        return why_no_banding(self.threshold, self.recall, self.permutations)

    @property
    def signing(self) -> Signing:
        """How both sides are signed."""
        banding = choose_banding(self.threshold, self.recall, self.permutations)
        assert banding is not None, "faults() refuses a config without a banding"
        return Signing(self.ngram, banding, self.seed)


def holds_words(text: str, wanted: str) -> bool:
    """Return whether the text has all the words of ``wanted`` one after the other."""
    return f" {normal_form(wanted)} " in f" {normal_form(text)} "
