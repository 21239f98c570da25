"""Domains, what a batch is made of: the source says them, a classifier learns them, or clusters are named."""

from __future__ import annotations

from pipeline.locations import faults_of_name
from schemas.config import Config, setting
from schemas.errors import rule

SEPARATOR = "/"
SOURCE, CLASSIFIER, CLUSTER = RULES = ("source", "classifier", "cluster")


class ClassifierConfig(Config):
    """How a domain is guessed for the documents whose source says none, learned from those whose source does."""

    min_confidence: float = setting(
        0.5, "a less probable guess is not believed: the document joins `other`", low=0.0, high=1.0
    )
    lessons: int = setting(60_000, "documents learned from, at most, drawn by hash; domains share them evenly", low=20)
    held_out: float = setting(
        0.2, "share of the lessons, by family, on which the classifier is measured first", low=0.05, high=0.5
    )
    words: int = setting(
        2, "words in a row that count as one feature, at most; characters in scripts without spaces", low=1, high=4
    )
    letters: int = setting(
        5, "bytes in a row that count as one feature, at most, from 3 on; 0 = none, five times as fast", low=0, high=5
    )
    features: int = setting(300_000, "n-grams that are looked at: those that the most lessons hold", low=100)
    chars: int = setting(4000, "characters of title and text that are read", low=50)
    penalty: float = setting(1.0, "C of the linear model: the larger, the closer it follows its lessons", low=1e-4)

    def faults(self) -> list[str]:
        """Refuse n-grams of one or two bytes: letters say nothing."""
        return [rule("letters", "0, or 3 to 5", self.letters)] if 0 < self.letters < 3 else []


class ClusterConfig(Config):
    """How embeddings, by the recipe's encoder, are parted into clusters, and what these are called."""

    clusters: int = setting(0, "how many; 0 = as many as have five times bucket.min_size on average, to 256", low=0)
    groups: int = setting(
        0, "clusters of clusters, the level above them; 0 = about the square root of their number; 1 = none", low=0
    )
    lessons: int = setting(20_000, "documents, drawn by hash, from which centres and names are made, at most", low=10)
    rounds: int = setting(25, "of k-means", low=1)
    words: int = setting(3, "of a name", low=1, high=8)
    seed: int = setting(13, "of the draw and of the first centres", low=0, high=(1 << 31) - 1)

    def faults(self) -> list[str]:
        """Require fewer groups than clusters."""
        if self.clusters and self.groups >= max(2, self.clusters):
            return [rule("groups", f"fewer than clusters ({self.clusters})", self.groups, "0")]
        return []

    def faults_of_lessons(self) -> list[str]:
        """Require no more clusters than lessons."""
        return [rule("clusters", f"at most lessons ({self.lessons})", self.clusters)] * (self.clusters > self.lessons)


class BucketConfig(Config):
    """How documents are parted into domains."""

    rule: str = setting(
        SOURCE,
        "where a document's domain comes from: its source; its source, or else a classifier "
        "that learned from those whose source says one; clusters of embeddings",
        choices=RULES,
    )
    depth: int = setting(3, "levels of a taxonomy path (a/b/c) that are told apart", low=1, high=16)
    min_size: int = setting(
        100, "documents a domain needs; a smaller one joins its parent, in the end its source", low=1
    )
    other: str = setting("other", "the domain of documents whose own is empty or not believed")
    classifier: ClassifierConfig = setting(factory=ClassifierConfig, doc="for rule: classifier")
    cluster: ClusterConfig = setting(factory=ClusterConfig, doc="for rule: cluster")

    def faults(self) -> list[str]:
        """Require one level of a path for ``other``."""
        return faults_of_name("other", self.other)

    def faults_of_rule(self) -> list[str]:
        """Require settings of no other rule than the one in force."""
        return [
            f"{name} must be left out for rule {self.rule}, got settings; try rule: {name}"
            for name, given in ((CLASSIFIER, self.classifier), (CLUSTER, self.cluster))
            if self.rule != name and given != type(given)()
        ]
