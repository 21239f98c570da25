"""A small corpus: documents of a few domains with their gold queries."""

import pytest

from pipeline.ids import hash_text
from schemas.documents import DOCUMENTS, DOMAINS
from schemas.pairs import POSITIVES

FILLER = " ".join(f"word{i}" for i in range(30))


@pytest.fixture
def corpus(rows):
    """Make (DOCUMENTS, DOMAINS, POSITIVES) from (doc_id, domain, gold query or None, drop_reason)."""

    def make(*given, rule="title"):
        documents = [
            (doc, "s", "f", i, None, "", f"{doc} text {FILLER}", [], doc, domain, None, 200, doc, reason)
            for i, (doc, domain, _, reason) in enumerate(given)
        ]
        live = [each for each in given if each[3] is None]
        positives = [(hash_text(query), query, doc, rule, 1.0, domain, None) for doc, domain, query, _ in live if query]
        domains = [(doc, domain) for doc, domain, _, _ in live]
        return rows(DOCUMENTS, *documents), rows(DOMAINS, *domains), rows(POSITIVES, *positives)

    return make
