"""Settings of the indexes: the lexical one, and the embedding model that mines."""

from __future__ import annotations

from urllib.parse import urlsplit

from schemas.config import Config, setting
from schemas.errors import rule


class EncoderConfig(Config):
    """The embedding model that mines: what it reads and how it computes."""

    model: str = setting(
        "all-MiniLM-L6-v2", "directory of a sentence-transformers model, or a name under the models folder"
    )
    url: str | None = setting(
        None, "OpenAI-compatible server that encodes in place of model, e.g. http://host:8080/v1; null = model"
    )
    model_name: str | None = setting(None, "name of the model on that server; needed with url")
    api_key_env: str | None = setting(None, "environment variable that holds that server's key; null = no key")
    dimensions: int | None = setting(
        None, "width that is asked of that server and held to; null = its model's own", low=1, high=65_536
    )
    texts_a_request: int = setting(32, "texts in one request to that server", low=1, high=2048)
    in_flight: int = setting(4, "requests to that server at a time, of each of Spark's tasks", low=1, high=256)
    max_length: int = setting(128, "tokens of a text that the model reads", low=8, high=8192)
    batch: int = setting(0, "tokens of a forward pass; 0 = 1,024 on a CPU, 65,536 on a GPU", low=0)
    dtype: str = setting(
        "auto",
        "precision of the model's body; auto = bfloat16 where the hardware multiplies it",
        choices=("auto", "float32", "bfloat16"),
    )
    backend: str = setting(
        "auto",
        "what computes the model's body on a processor; openvino = calibrated int8, auto = that where its packages are "
        "installed, the processor multiplies bytes, dtype is auto and the body is one that is known, else torch",
        choices=("auto", "torch", "openvino"),
    )
    query_prefix: str | None = setting(None, "put before every query; where it is not given, the model's own prompt")
    doc_prefix: str | None = setting(None, "put before every document; where it is not given, the model's own prompt")

    def faults_of_url(self) -> list[str]:
        """Require a URL of the web, without a secret in it: it stands in fingerprints and messages."""
        if self.url is None:
            return []
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return [rule("url", "an http or https URL", self.url, "http://localhost:8080/v1")]
        if parts.username or parts.password or parts.query:
            return [rule("url", "without user, password and query", f"{parts.scheme}://...", "api_key_env for a key")]
        return []

    def faults_of_server(self) -> list[str]:
        """Require a server's model by name, and settings of a server only where there is one."""
        if (self.url is None) != (self.model_name is None):
            return [rule("model_name", "set exactly when url is", self.model_name)]
        given = [name for name in ("api_key_env", "dimensions") if getattr(self, name) is not None]
        return [rule(name, "null without url", getattr(self, name)) for name in given] if self.url is None else []


LANGUAGES = (
    "ar",
    "bn",
    "da",
    "de",
    "en",
    "es",
    "fa",
    "fi",
    "fr",
    "hi",
    "hu",
    "id",
    "it",
    "ja",
    "ko",
    "nl",
    "no",
    "pl",
    "pt",
    "ru",
    "sv",
    "te",
    "th",
    "tr",
    "uk",
    "zh",
)


class IndexConfig(Config):
    """The lexical index: the analyser must fit the language of the documents."""

    language: str = setting(
        "en", "language of documents and queries: decides the analyser (words, stems, stop words)", choices=LANGUAGES
    )
    k1: float = setting(0.9, "BM25: how soon repeated words stop counting", low=0.0, high=10.0)
    max_foreign: float = setting(
        0.6,
        "share of a sample's documents that may surely be in one other language than ``language``; more of them fail "
        "the stage, for their words would be cut wrongly; 1 = never",
        low=0.0,
        high=1.0,
    )
    shard_documents: int = setting(
        20_000, "documents of a shard: shards are built beside one another; hits do not depend on them", low=1
    )
    b: float = setting(0.4, "BM25: how much long documents are held back", low=0.0, high=1.0)
