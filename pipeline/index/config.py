"""Settings of the indexes: the lexical one, and the embedding model that mines."""

from __future__ import annotations

from schemas.config import Config, setting


class EncoderConfig(Config):
    """The embedding model that mines: what it reads and how it computes."""

    model: str = setting(
        "all-MiniLM-L6-v2", "directory of a sentence-transformers model, or a name under the models folder"
    )
    max_length: int = setting(128, "tokens of a text that the model reads", low=8, high=8192)
    batch: int = setting(0, "tokens of a forward pass; 0 = 1,024 on a CPU, 65,536 on a GPU", low=0)
    dtype: str = setting(
        "auto",
        "precision of the model's body; auto = bfloat16 where the hardware multiplies it",
        choices=("auto", "float32", "bfloat16"),
    )
    query_prefix: str | None = setting(None, "put before every query; where it is not given, the model's own prompt")
    doc_prefix: str | None = setting(None, "put before every document; where it is not given, the model's own prompt")


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
    b: float = setting(0.4, "BM25: how much long documents are held back", low=0.0, high=1.0)
