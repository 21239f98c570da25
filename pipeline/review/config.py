"""Settings of review: who answers, how many pairs, and when a model's answers count."""

from __future__ import annotations

from schemas.config import Config, setting
from schemas.errors import rule

PERSON, LLM = "person", "llm"
SAMPLE, BAND = "sample", "band"


class ReviewConfig(Config):
    """Who is asked whether candidates answer their queries, and when a model's answers count."""

    by: str = setting(PERSON, "who answers: you, or a language model", choices=(PERSON, LLM))
    pairs: int = setting(100, "questions of a sample, checks on the reviewer among them", low=1, high=5000)
    ask: str = setting(
        SAMPLE,
        "what a model is asked about: the pairs that a person is asked about too, or every candidate in the band",
        choices=(SAMPLE, BAND),
    )
    band_low: float = setting(0.05, "the band begins at this probability of being a false negative", low=0.0, high=1.0)
    band_high: float = setting(0.5, "and ends at this one", low=0.0, high=1.0)
    requests: int = setting(
        1000, "most questions that one run has a model answer; what was answered before costs none", low=1
    )
    url: str | None = setting(None, "OpenAI-compatible chat server, e.g. http://host:8000/v1; needed with by: llm")
    model_name: str | None = setting(None, "name of the model on that server; needed with by: llm")
    api_key_env: str | None = setting(None, "environment variable that holds that server's key; null = no key")
    concurrency: int = setting(8, "requests in flight", low=1, high=256)
    timeout_seconds: int = setting(120, "how long one answer may take", low=1, high=3600)
    query_tokens: int = setting(128, "estimated tokens of the query that is shown", low=8)
    document_tokens: int = setting(512, "estimated tokens of each document that is shown", low=16)
    min_common: int = setting(
        50, "pairs that people and the model must both have answered before the model's answers count", low=10
    )
    min_kappa: float = setting(
        0.6, "Cohen's kappa with people from which on a model's answers count as evidence", low=0.0, high=1.0
    )

    def faults(self) -> list[str]:
        """Require a server where a model is to answer."""
        missing = [name for name in ("url", "model_name") if getattr(self, name) is None]
        return [
            rule(name, "set with by: llm", None, "http://localhost:8000/v1" if name == "url" else "its name")
            for name in missing
            if self.by == LLM
        ]

    def faults_of_url(self) -> list[str]:
        """Require a URL of the web."""
        if self.url is None or self.url.startswith(("http://", "https://")):
            return []
        return [rule("url", "an http or https URL", self.url, "http://localhost:8000/v1")]

    def faults_of_band(self) -> list[str]:
        """Require a band in order."""
        must_be = f"below band_high ({self.band_high})"
        return [rule("band_low", must_be, self.band_low)] * (self.band_low >= self.band_high)
