"""What lint calls a fault: every threshold, with its default."""

from __future__ import annotations

from pipeline.guard.config import GuardConfig
from pipeline.similarity.minhash import Signing, choose_banding, why_no_banding
from schemas.config import Config, setting


class LintConfig(Config):
    """Thresholds of the checks."""

    near: float = setting(
        0.7, "Jaccard similarity of word 3-grams from which two texts are nearly the same", low=0.3, high=1.0
    )
    contained: float = setting(
        0.8, "share of a positive's 3-grams in a negative, or the reverse, from which they are", low=0.3, high=1.0
    )
    contained_grams: int = setting(12, "3-grams that the shorter of the two has at least", low=3)
    near_query: float = setting(0.8, "Jaccard similarity of words from which two queries are", low=0.5, high=1.0)
    ngram: int = setting(3, "words an n-gram; characters in scripts without spaces", low=1, high=64)
    echo_words: int = setting(5, "words of a query, at least, that may not stand word for word in its positive", low=2)
    false_negative: float = setting(0.5, "probability from which a negative is called false", low=0.01, high=0.99)
    tolerated: float = setting(0.05, "estimated share of false negatives that is no finding", low=0, high=1)
    easy: float = setting(
        0.03, "share of the file's other documents nearer to the query, from which a negative is easy", low=0, high=1
    )
    batch: int = setting(64, "rows of a batch, for what it mixes", low=2)
    mixed: float = setting(1.5, "domains in a batch, in the mean, from which it mixes them", low=1)
    everywhere: float = setting(0.02, "share of the queries that one negative may stand against", low=0, high=1)
    everywhere_queries: int = setting(10, "but so many queries it may", low=1)
    cut_share: float = setting(0.01, "share of the texts that may be longer than the model reads", low=0, high=1)
    recall: float = setting(0.995, "probability with which two texts at ``near`` are compared", low=0.5, high=0.999999)
    permutations: int = setting(128, "MinHash permutations, at most", low=1, high=4096)
    seed: int = setting(13, "of permutations and samples", low=0, high=(1 << 32) - 1)

    def faults_of_banding(self) -> list[str]:
        """Require a banding for the threshold."""
        return why_no_banding(self.near, self.recall, self.permutations)

    @property
    def signing(self) -> Signing:
        """How texts are signed."""
        banding = choose_banding(self.near, self.recall, self.permutations)
        assert banding is not None, "faults() refuses a config without a banding"
        return Signing(self.ngram, banding, self.seed)

    @property
    def guard(self) -> GuardConfig:
        """What counts as a leak: the rules of the stage guard."""
        return GuardConfig()
