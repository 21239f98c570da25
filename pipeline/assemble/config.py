"""From judged candidates to training examples, and from examples to planned batches."""

from __future__ import annotations

from schemas.config import Config, setting
from schemas.errors import rule
from schemas.nearest import find_nearest
from schemas.pairs import LINKS, QRELS, SYNTHETIC_RULE, TITLE
from schemas.shards import PROMOTED_RULE

_SHARED = (TITLE, LINKS, QRELS, SYNTHETIC_RULE, PROMOTED_RULE)


class AssembleConfig(Config):
    """How examples are made and which of them meet in a batch."""

    batch_stage1: int = setting(64, "examples in a batch of stage 1 (in-batch negatives only)", low=2, high=65_536)
    batch_stage2: int = setting(32, "examples in a batch of stage 2 (with mined negatives)", low=2, high=65_536)
    min_batch: int = setting(8, "a domain's last batches may be smaller, down to this", low=2)
    homogeneous_stage1: bool = setting(True, "whether a batch of stage 1 holds one domain only")
    homogeneous_stage2: bool = setting(True, "whether a batch of stage 2 holds one domain only")
    negatives: int = setting(4, "most negatives an example carries, hardest first", low=1, high=1000)
    fewest_negatives: int = setting(
        1,
        "an example keeps so many of them at least when its batch cannot take all: what several rows would bring is "
        "brought once",
        low=1,
    )
    positives_per_query: int = setting(16, "most examples made from one query", low=1)
    shares: dict[str, int | float] = setting(
        factory=dict,
        doc=f"share of a rule's pairs ({', '.join(_SHARED)}) that is used, "
        "from 0 to 1, picked by hash of the seed; rules not named are used whole",
    )
    window: int = setting(64, "batches that are open at a time while a block of examples is planned", low=1)
    block: int = setting(50_000, "examples planned together; larger domains are split by hash", low=100)

    def faults(self) -> list[str]:
        """Require small batches that are no larger than full ones."""
        smallest = min(self.batch_stage1, self.batch_stage2)
        if self.min_batch <= smallest:
            return []
        return [rule("min_batch", f"at most the smallest batch size ({smallest})", self.min_batch)]

    def faults_of_shares(self) -> list[str]:
        """Require shares that are shares, of rules that there are."""
        found = [
            rule(f"shares.{name}", "a number between 0 and 1", share)
            for name, share in self.shares.items()
            if not 0 <= share <= 1
        ]
        found += [
            rule(f"shares.{name}", f"one of {', '.join(_SHARED)}", name, meant=find_nearest(name, _SHARED))
            for name in self.shares
            if name not in _SHARED
        ]
        return found

    def batch_size(self, stage: int) -> int:
        """Return the examples of a full batch of the stage."""
        return self.batch_stage1 if stage == 1 else self.batch_stage2

    def is_homogeneous(self, stage: int) -> bool:
        """Return whether the stage's batches hold one domain only."""
        return self.homogeneous_stage1 if stage == 1 else self.homogeneous_stage2
