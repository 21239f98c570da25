"""A small build to review: queries with a positive, delivered and vetoed candidates, and markup in every text."""

from __future__ import annotations

from jobs.views.ledger import Ledger
from jobs.views.review.pool import Pool
from jobs.views.review.session import Session
from pipeline.review.config import ReviewConfig
from schemas.documents import DOCUMENTS
from schemas.mining import ANN, BM25, CANDIDATES, DROPPED, KEPT, LIKELY_POSITIVE, POSITIVE, SURPLUS, VERDICTS, VETOED
from schemas.pairs import POSITIVES, QRELS
from tests.jobs.views.workspace import FakeWorkspace

QUERIES, EACH = 12, 12
MARKUP = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">&amp; <b>bold</b>"


def document(doc_id, text):
    return (doc_id, "s", f"{doc_id}.md", 1, None, f"title of {doc_id}", text, [], doc_id, "d", None, 9, doc_id, None)


def make_build(path, is_late=False):
    """Every fifth candidate of a query answers it; ``is_late``: built again, with other probabilities and verdicts."""
    place = FakeWorkspace(path)
    documents, positives, candidates, verdicts = [], [], [], []
    for query in range(QUERIES):
        query_id, domain = f"q{query}", "east" if query % 3 else "west"
        documents.append(document(f"p{query}", f"the answer to {query} {MARKUP}"))
        positives.append((query_id, f"what is {query}? {MARKUP}", f"p{query}", QRELS, 1.0, domain, None))
        verdicts.append((query_id, f"p{query}", True, None, 0.9, None, None, None, None, 0.1, DROPPED, 1, POSITIVE))
        for number in range(EACH):
            doc_id, chance = f"c{query}-{number}", round(0.02 + number * (0.05 if is_late else 0.04), 6)
            documents.append(document(doc_id, f"candidate {number} of {query} {MARKUP}\n" + "and so on. " * 200))
            verdict, reason = (
                (KEPT, None) if number < 4 else (VETOED, LIKELY_POSITIVE) if chance > 0.2 else (DROPPED, SURPLUS)
            )
            retriever = BM25 if number % 2 else ANN
            hits = [{"retriever": retriever, "rank": number + 1, "score": 1.5}]
            candidates.append((query_id, doc_id, retriever, number + 1, 1.5))
            verdicts.append((query_id, doc_id, False, hits, 0.5, 0.4, None, None, chance, 0.1, verdict, 1, reason))
    place.build("guard", [(DOCUMENTS, documents)])
    place.build("synthesise", [(POSITIVES, positives)])
    place.build("mine", [(CANDIDATES, candidates)])
    place.build("judge", [(VERDICTS, verdicts)])
    return place


def open_session(path, reviewer="person:ana", pairs=40, seed=13, cfg=None):
    return Session(Pool(Ledger(path)), cfg or ReviewConfig(), seed, reviewer, pairs)
