"""What the checks look at: the set, its similar texts, and what a model says of a sample; each computed once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.lint.config import LintConfig
from pipeline.lint.rows import TrainingSet
from pipeline.lint.similar import Similar, cluster_queries
from pipeline.similarity.shingles import I64


class Lint:
    """A training set under the eyes of the checks; ``protected``: texts of evaluation sets, as guard reads them."""

    def __init__(self, found: TrainingSet, cfg: LintConfig, folder: Path, protected: pa.Table | None = None) -> None:
        """Take the set; what is computed is computed when a check asks for it, on disk in the folder."""
        self.set, self.cfg, self.folder, self.protected = found, cfg, folder, protected

    @cached_property
    def similar(self) -> Similar:
        """The texts, signed."""
        return Similar(self.set.texts, self.cfg, self.folder)

    @cached_property
    def documents(self) -> I64:
        """The texts that stand beside a query, each once."""
        return np.unique(self.set.text)

    @cached_property
    def clusters(self) -> I64:
        """For every text the smallest that it is nearly the same as; queries are their own."""
        return self.similar.cluster(self.documents)

    @cached_property
    def queries(self) -> I64:
        """For every row a number of its query: the same for queries that differ in case and punctuation, (R,)."""
        return self.similar.form(self.set.query)

    @cached_property
    def query_clusters(self) -> I64:
        """For every row the text of a query with nearly the same words, (R,)."""
        distinct, place = np.unique(self.set.query, return_inverse=True)
        cfg = self.cfg
        roots = cluster_queries(self.set.texts.take(distinct), cfg.near_query, cfg.recall, cfg.permutations, cfg.seed)
        return distinct[roots[place]]

    def clip(self, text: int, width: int = 60) -> str:
        """Return the beginning of a text, on one line."""
        line = " ".join(self.set.texts[text][: 4 * width].split())
        return repr(line if len(line) <= width else line[: width - 1] + "…")
