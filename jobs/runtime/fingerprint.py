"""What each stage's output is called: the hash of all that decides it.

A stage's *fingerprint* is the hash of its name and code version, the recipe sections that decide its result, digests
of what it reads from outside (source files, model files, answers of reviewers) and the fingerprints of its inputs. An
output that is complete under its fingerprint is never built twice: that is resume, and that is what makes a second
build cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jobs.runtime import registry
from jobs.runtime.stage import Stage, name_of
from jobs.store.files import digest_of
from pipeline.recipe import Recipe


class Fingerprints:
    """The fingerprints of the stages under one recipe, each made once."""

    def __init__(self, recipe: Recipe, digest_reviews: Callable[[], str]) -> None:
        """Make none yet; ``digest_reviews`` is asked by stages that read reviews, and empty where there are none."""
        self._recipe, self._digest_reviews = recipe, digest_reviews
        self._found: dict[str, str] = {}
        self._digests: dict[str, Mapping[str, str]] = {}

    def make(self, name: str) -> str:
        """Return the fingerprint of a stage's output."""
        if name not in self._found:
            stage = registry.load_stage(name)
            self._found[name] = digest_of(
                {
                    "stage": stage.name,
                    "version": stage.version,
                    "seed": self._recipe.seed,
                    "settings": {section: self._recipe.section(section) for section in stage.settings},
                    "inputs": {name_of(what): self.make(maker) for what, maker in stage.inputs.items()},
                    "external": self._digests.setdefault(name, self._digest_outside(stage)),
                }
            )
        return self._found[name]

    def _digest_outside(self, stage: Stage) -> Mapping[str, str]:
        found = stage.digests(self._recipe)
        reviews = self._digest_reviews() if stage.reads_reviews else ""
        return {**found, "reviews": reviews} if reviews else found

    def digests(self, name: str) -> Mapping[str, str]:
        """Return the digests of what a stage reads from outside that its fingerprint stands for."""
        self.make(name)
        return self._digests[name]
