"""Settings of passages."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.ingest.config import SourceConfig
from pipeline.readers.config import SplitConfig
from pipeline.readers.registry import FORMATS
from schemas.config import Config, setting
from schemas.errors import rule


class PassageConfig(Config):
    """Whether and how long documents become passages."""

    tokens: int | None = setting(
        None,
        "tokens of a passage, at most, the model's special ones included; null = documents stay whole",
        low=32,
        high=32_768,
    )
    overlap: int = setting(0, "tokens of whole sentences, at most, that a passage repeats of the one before it", low=0)
    header: bool = setting(
        False, "begin each passage with the titles above it (document > section), within a quarter of the budget"
    )
    context: bool = setting(
        False,
        "begin each passage with a line by the model of synthesise that says where it stands in its document, "
        "within a quarter of the budget",
    )
    context_tokens: int = setting(
        240, "estimated tokens of the document's beginning that this model is shown", low=32, high=8192
    )
    tokenizer: str = setting("", "directory of the model whose tokens are counted; empty = train.model")
    sources: tuple[str, ...] = setting((), "names of the sources whose documents are cut; empty = all")

    def faults(self) -> list[str]:
        """Require an overlap that leaves room for something new, and nothing set that cannot matter."""
        if self.tokens is None:
            idle = [name for name in ("overlap", "header", "context", "tokenizer", "sources") if getattr(self, name)]
            return [
                f"{name} must be left out without tokens, got {getattr(self, name)!r}; try tokens: 128" for name in idle
            ]
        if self.overlap > self.tokens // 2:
            return [rule("overlap", f"at most half of tokens ({self.tokens // 2})", self.overlap)]
        return []

    @property
    def room(self) -> int:
        """Tokens of a passage that are kept free for the line of context."""
        return self.tokens // 4 if self.tokens and self.context else 0

    def cuts(self, source: str) -> bool:
        """Return whether the documents of a source are cut."""
        return self.tokens is not None and (not self.sources or source in self.sources)


def judged_sources(cfg: PassageConfig, sources: Sequence[SourceConfig]) -> list[str]:
    """Return the faults of cutting documents that a source judges as wholes: which passage answers, nobody knows."""
    found = [
        rule("passages.sources", "names of sources", name)
        for name in cfg.sources
        if cfg.tokens is not None and name not in {source.name for source in sources}
    ]
    for source in sources:
        form = FORMATS[source.format]
        is_judged = form.holds_judgements and not (isinstance(source, SplitConfig) and source.split is None)
        if cfg.cuts(source.name) and is_judged:
            others = [each.name for each in sources if each.name != source.name]
            alone = "passages.tokens: null" if not form.layout else f"sources.{source.name}.split: null"
            way_out = f"passages.sources: [{', '.join(others)}]" if others else alone
            found.append(
                f"passages must leave out source {source.name}, whose judgements name whole documents; try {way_out}"
            )
    return found
