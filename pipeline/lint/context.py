"""What the checks look at: the set, its similar texts, and what a model says of a sample; each computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.lint.config import LintConfig
from pipeline.lint.rows import F64, TrainingSet
from pipeline.lint.signals import Encode, Measured, measure_sample
from pipeline.lint.similar import Similar, cluster_queries
from pipeline.ports import CentreFinder, TokenCounter
from pipeline.similarity.shingles import I64


class Judge(Protocol):
    """What is believed of the weights of signals (``pipeline.judge.fusion.Belief``)."""

    @property
    def features(self) -> tuple[str, ...]:
        """The signals."""
        ...

    def predict(self, rows: pd.DataFrame) -> F64:
        """Return the probability that each row is a false negative, (N,)."""
        ...

    def draw_chances(self, rows: pd.DataFrame) -> F64:
        """Return the same under draws of the weights, (S, N)."""
        ...


@dataclass(frozen=True)
class Tools:
    """What a model is asked: its vectors of queries and documents, tokens, and how many it reads (None: not said).

    ``sample`` is the number of negatives that are measured, 0 for none; ``judge`` says which of them are false.
    """

    name: str
    encode_query: Encode
    encode_document: Encode
    counter: TokenCounter
    reads: int | None
    find_centres: CentreFinder
    sample: int
    judge: Judge | None = None


class Lint:
    """A training set under the eyes of the checks; ``protected``: texts of evaluation sets, as guard reads them."""

    def __init__(
        self,
        found: TrainingSet,
        cfg: LintConfig,
        folder: Path,
        protected: pa.Table | None = None,
        tools: Tools | None = None,
        why_no_model: str = "no model is named; --model DIR names one",
    ) -> None:
        """Take the set; what is computed is computed when a check asks for it, on disk in the folder."""
        self.set, self.cfg, self.folder, self.protected = found, cfg, folder, protected
        self.tools, self.why_no_model = tools, why_no_model

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

    @cached_property
    def measured(self) -> Measured | None:
        """The signals of a sample of the negatives; None where ``why_not_measured`` says why."""
        if self.why_not_measured or self.tools is None:
            return None
        encoders = self.tools.encode_query, self.tools.encode_document
        return measure_sample(self.set, self.queries, self.tools.sample, self.cfg.seed, *encoders)

    @property
    def why_not_measured(self) -> str:
        """Why no negative is measured by a model; nothing where some are."""
        if self.tools is None:
            return self.why_no_model
        if not self.set.is_negative.any():
            return "the set has no negatives"
        return "" if self.tools.sample else "--sample 0 leaves it out"

    def clip(self, text: int, width: int = 60) -> str:
        """Return the beginning of a text, on one line."""
        line = " ".join(self.set.texts[text][: 4 * width].split())
        return repr(line if len(line) <= width else line[: width - 1] + "…")
