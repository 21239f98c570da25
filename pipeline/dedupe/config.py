"""Settings of the dedupe stage."""

from __future__ import annotations

from pipeline.similarity.minhash import Banding, Signing, choose_banding, why_no_banding
from schemas.config import Config, setting
from schemas.errors import rule

LONGEST, SHORTEST, SOURCE = "longest", "shortest", "source"


class DedupeConfig(Config):
    """How duplicates are found, and which one of a cluster is kept."""

    near: bool = setting(True, "find near-duplicates; false = exact ones only")
    threshold: float = setting(
        0.8, "true Jaccard similarity of word n-grams from which two texts are duplicates", low=0.05, high=1.0
    )
    ngram: int = setting(5, "words a shingle; characters in scripts without spaces", low=1, high=64)
    recall: float = setting(
        0.995, "probability with which a pair at the threshold must become a candidate", low=0.5, high=0.999999
    )
    permutations: int = setting(128, "MinHash permutations, at most", low=1, high=4096)
    bands: int | None = setting(None, "LSH bands; null = from threshold, recall and permutations", low=1)
    rows: int | None = setting(None, "rows a band; null = from threshold, recall and permutations", low=1)
    semantic: float | None = setting(
        None,
        "cosine of the recipe's encoder from which two texts say the same; null = only words are compared",
        low=0.5,
        high=1.0,
    )
    neighbours: int = setting(16, "nearest texts that are looked at for each, where semantic is set", low=1, high=1024)
    spans: int | None = setting(
        None,
        "sentences in a row that, standing elsewhere as well, are left in one document only; null = none are cut",
        low=1,
        high=100,
    )
    span_words: int = setting(20, "words of such a run, at least; and those a document must have left", low=1)
    signatures: bool = setting(
        False,
        "write each kept document's MinHash as datasketch makes it, by `permutations` "
        "and `seed`, to the table signatures",
    )
    seed: int = setting(13, "of the permutations", low=0, high=(1 << 32) - 1)
    prefer: tuple[str, ...] = setting(
        (SOURCE, LONGEST),
        "rules for the survivor of a cluster, most important first, after whether people judged it; ties go to the "
        "smallest doc_id",
        choices=(LONGEST, SHORTEST, SOURCE),
    )
    sources: tuple[str, ...] = setting((), "sources for the rule `source`, best first; others come after, as equals")

    def faults(self) -> list[str]:
        """Require bands and rows together and within the permutations, or a banding that can be derived."""
        if (self.bands is None) != (self.rows is None):
            return [rule("bands", "given together with rows", self.bands, "both or neither")]
        if self.bands is not None and self.rows is not None:
            if self.bands * self.rows > self.permutations:
                return [rule("permutations", f"at least bands x rows = {self.bands * self.rows}", self.permutations)]
            return []
        return why_no_banding(self.threshold, self.recall, self.permutations)

    @property
    def banding(self) -> Banding:
        """The banding in force: the one given, or the most selective one that reaches the recall."""
        if self.bands is not None and self.rows is not None:
            return Banding(self.bands, self.rows)
        found = choose_banding(self.threshold, self.recall, self.permutations)
        assert found is not None, "faults() refuses a config without a banding"
        return found

    @property
    def signing(self) -> Signing:
        """How the documents are signed."""
        return Signing(self.ngram, self.banding, self.seed)
