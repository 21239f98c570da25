"""Settings of the stage that lets a language model write queries and hard negatives."""

from __future__ import annotations

from schemas.config import Config, setting
from schemas.errors import rule


class SynthesiseConfig(Config):
    """What is written by the language model, by which one, and what is believed of it."""

    enabled: bool = setting(True, "whether anything is written at all")
    model: str = setting(
        "",
        "directory of the model that vLLM serves, or a name under the models folder; empty, and no url: nothing is "
        "written, for what a model that nobody chose writes is not worth training on",
    )
    url: str | None = setting(None, "OpenAI-compatible server, e.g. http://host:8000/v1; null = start vLLM")
    model_name: str | None = setting(None, "name of the model on that server; needed with url")
    api_key_env: str | None = setting(None, "environment variable that holds that server's key; null = no key")
    startup_seconds: int = setting(600, "how long the started server may take until it answers", low=1)
    concurrency: int = setting(16, "requests in flight", low=1, high=1024)
    context_tokens: int = setting(2048, "context of the started server: prompt and reply", low=256)
    temperature: float = setting(0.0, "0 = greedy: a reply does not depend on a seed", low=0.0, high=2.0)

    queries: int = setting(300, "documents that a query is written for; those without a gold positive first", low=0)
    negatives: int = setting(100, "gold (query, positive) pairs that a hard negative is written for", low=0)
    shots: int = setting(12, "gold pairs shown before the document; few and long ones are copied", low=1, high=64)
    refresh: float = setting(
        0.0,
        "share of a domain's shots that may differ from those chosen now before they are "
        "chosen anew; 0 always does; above 0 a nightly keeps them in the cache, and with them its "
        "prompts",
        low=0.0,
        high=1.0,
    )
    negative_shots: int = setting(3, "gold pairs, each with a mined negative, shown before a pair", low=1, high=16)
    shot_tokens: int = setting(32, "estimated tokens of each text that a shot shows", low=8)
    negative_shot_tokens: int = setting(96, "the same for the shots of negatives: as long as what they call for", low=8)
    document_tokens: int = setting(80, "estimated tokens of the document that is asked about", low=8)
    query_tokens: int = setting(32, "tokens that a query may take", low=4)
    negative_tokens: int = setting(64, "tokens that a negative may take", low=8)
    negative_penalty: float = setting(
        1.15,
        "vLLM's repetition_penalty for negatives, lest the positive is copied; 1 = none, for a server without it",
        low=1.0,
        high=2.0,
    )
    min_document_chars: int = setting(120, "shorter documents are neither shown nor asked about", low=1)

    min_query_words: int = setting(3, "shorter queries are dropped", low=1)
    max_query_words: int = setting(24, "longer queries are dropped", low=1)
    min_negative_words: int = setting(12, "shorter negatives are dropped", low=1)
    max_negative_words: int = setting(160, "longer negatives are dropped", low=1)
    copy_words: int = setting(4, "length of the word n-grams that tell a copy", low=1)
    max_copy: float = setting(
        0.5, "share of its n-grams that a text may have from what the model was shown", low=0.0, high=1.0
    )
    max_repetition: float = setting(
        0.2, "share of its word trigrams that may come before in the same text", low=0.0, high=1.0
    )
    round_trip_depth: int = setting(1, "BM25 hits of a query that its document must be among; 0 = not asked", low=0)

    def faults(self) -> list[str]:
        """Require a context that the longest prompt fits."""
        longest = self.longest_prompt()
        must_be = f"at least {longest}, what the longest prompt and its reply may take"
        way_out = "fewer shots or smaller document_tokens"
        return [rule("context_tokens", must_be, self.context_tokens, way_out)] * (longest > self.context_tokens)

    def faults_of_query_words(self) -> list[str]:
        """Require lengths in order."""
        must_be = f"at most max_query_words ({self.max_query_words})"
        return [rule("min_query_words", must_be, self.min_query_words)] * (self.min_query_words > self.max_query_words)

    def faults_of_negative_words(self) -> list[str]:
        """Require lengths in order."""
        low, high = self.min_negative_words, self.max_negative_words
        return [rule("min_negative_words", f"at most max_negative_words ({high})", low)] * (low > high)

    def faults_of_url(self) -> list[str]:
        """Require a URL of the web."""
        if self.url is None or self.url.startswith(("http://", "https://")):
            return []
        return [rule("url", "an http or https URL", self.url, "http://localhost:8000/v1")]

    def faults_of_model_name(self) -> list[str]:
        """Require a name of the model where a server of one's own is asked."""
        if (self.url is None) == (self.model_name is None):
            return []
        return [rule("model_name", "set exactly when url is", self.model_name)]

    def longest_prompt(self) -> int:
        """Return how many estimated tokens the longest prompt and its reply take; 32 a part for labels and query."""
        query = self.shots * (self.shot_tokens + 32) + self.query_tokens
        pair = self.negative_shots * (2 * self.negative_shot_tokens + 64) + 64 + self.negative_tokens
        return max(query, pair) + self.document_tokens
