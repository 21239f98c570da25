"""Settings of the trainer: the recipe's ``train`` and ``evaluate`` sections, read by jobs and trainer alike."""

from __future__ import annotations

from schemas.config import Config, setting
from schemas.errors import rule

# Loss: the file of trainer/losses that holds it.
LOSSES = {"infonce": "contrastive", "cosent": "ranking", "triplet": "ranking", "margin_mse": "distil"}
LAYOUTS = ("sentence-transformers", "flagembedding", "tevatron", "beir")  # what a dataset is exported to
TRIPLETS, TUPLES, FILES = "triplets", "tuples", "files"
ROWS = (TRIPLETS, TUPLES, FILES)  # what a row of an export for sentence-transformers is
PRECISIONS = ("auto", "fp32", "bf16")
LISTWISE, PAIRWISE, POINTWISE = "listwise", "pairwise", "pointwise"


class StageConfig(Config):
    """One training stage."""

    epochs: int = setting(1, "passes over the stage's batches; 0 = skip the stage", low=0)
    max_steps: int | None = setting(None, "stop after this many optimiser steps; null = all", low=1)
    learning_rate: float = setting(2e-5, "peak learning rate of AdamW", low=0.0, high=1.0)
    warmup: float = setting(0.1, "share of the steps with rising learning rate", low=0.0, high=1.0)
    weight_decay: float = setting(0.01, "AdamW weight decay", low=0.0)
    temperature: float = setting(0.05, "InfoNCE temperature: cosines are divided by it", low=0.001, high=10.0)
    loss: str = setting("infonce", "what is minimised", choices=tuple(LOSSES))
    margin: float = setting(0.2, "triplet margin, in cosine", low=0.0, high=2.0)
    negatives: int = setting(4, "mined negatives used per query (stage 2)", low=0)
    mini_batch: int = setting(32, "texts a forward pass; texts of like length share one", low=1)
    gradient_cache: bool = setting(
        True,
        "compute activations twice (GradCache), so that memory follows mini_batch and not the batch; "
        "false = a quarter faster, memory grows with the batch",
    )
    mask_margin: float | None = setting(
        0.1,
        "in-batch negatives whose score exceeds the positive's by more than this are masked; null = none",
        low=0.0,
        high=2.0,
    )
    symmetric: bool = setting(False, "InfoNCE from positive to query as well as from query to positive")
    max_grad_norm: float = setting(1.0, "gradients are scaled down to this norm", low=0.0)
    refresh_steps: int = setting(
        0, "re-rank each row's negatives with the model in training every so many steps; 0 = keep their order", low=0
    )
    refresh_guard: float = setting(
        0.95, "a re-ranked negative scoring above this share of its positive's score is passed over", low=0.0, high=2.0
    )


class TrainConfig(Config):
    """How a published dataset becomes a model."""

    model: str = setting(
        "all-MiniLM-L6-v2", "directory of a sentence-transformers model, or a name under the models folder"
    )
    max_length: int = setting(128, "tokens of a text that the model reads", low=8, high=8192)
    dimensions: tuple[int, ...] = setting((384, 256, 128, 64), "Matryoshka dimensions, largest first")
    dimension_weights: tuple[float, ...] = setting((), "weight of each dimension's loss; empty = all equal")
    dropout: bool = setting(True, "keep the base model's dropout; false = none, which trains faster")
    precision: str = setting(
        "auto", "bf16 = autocast to bfloat16; auto = bf16 where the GPU or CPU computes in it", choices=PRECISIONS
    )
    seed: int = setting(13, "order of the batches, dropout", low=0)
    threads: int = setting(0, "CPU threads; 0 = all cores", low=0)
    checkpoint_steps: int = setting(50, "optimiser steps between checkpoints", low=1)
    stage1: StageConfig = setting(factory=StageConfig, doc="contrastive pre-training on pairs")
    stage2: StageConfig = setting(factory=StageConfig, doc="fine-tuning with mined and synthetic negatives")

    def faults(self) -> list[str]:
        """Require Matryoshka dimensions that are positive and fall strictly."""
        falling = all(a > b for a, b in zip(self.dimensions, self.dimensions[1:], strict=False))
        if self.dimensions and falling and self.dimensions[-1] >= 1:
            return []
        return [rule("dimensions", "positive and strictly falling", list(self.dimensions))]

    def faults_of_weights(self) -> list[str]:
        """Require weights, where given, that match the dimensions."""
        weights = self.dimension_weights
        if not weights or (len(weights) == len(self.dimensions) and min(weights) >= 0 and sum(weights) > 0):
            return []
        must_be = "one weight of 0 or more per dimension"
        return [rule("dimension_weights", must_be, list(weights), "leaving it out: all weigh the same")]


class TeachConfig(Config):
    """How a cross-encoder learns from lessons, and when it gives up."""

    epochs: int = setting(1, "passes over the lessons", low=1, high=100)
    max_steps: int = setting(1_500, "most training steps, which bounds the time whatever the gold", low=1)
    loss: str = setting(
        LISTWISE,
        "listwise = the positive among its negatives (softmax), pairwise = above each of them, "
        "pointwise = yes or no, a pair at a time",
        choices=(LISTWISE, PAIRWISE, POINTWISE),
    )
    learning_rate: float = setting(1e-4, "peak learning rate of AdamW; it falls linearly to 0", low=0.0, high=1.0)
    warmup: float = setting(0.1, "share of the steps with rising learning rate", low=0.0, high=1.0)
    checks: int = setting(
        8,
        "times that training asks held-out gold whether the teacher can still be worth its time, and stops when not; "
        "0 = never",
        low=0,
        high=1000,
    )
    max_length: int = setting(128, "tokens of query and document together that the teacher reads", low=16, high=8192)
    batch: int = setting(32, "pairs a training step", low=1, high=4096)
    threads: int = setting(
        2, "CPU threads while training; part of the result: another number rounds otherwise", low=1, high=256
    )


class EvaluateConfig(Config):
    """How models are measured on the evaluation sets."""

    depth: int = setting(100, "hits taken per query", low=10)
    resamples: int = setting(10_000, "paired bootstrap resamples", low=100)
    seed: int = setting(13, "of the bootstrap", low=0)
    precision: str = setting(
        "auto", "arithmetic of the encoder: bf16 where the GPU or CPU computes in it, else fp32", choices=PRECISIONS
    )
