"""The signatures that others read are those that datasketch makes."""

from __future__ import annotations

import pytest
from datasketch import MinHash

from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.signatures import sign_as_datasketch
from pipeline.text import shingles
from schemas.documents import DOCUMENTS

TEXTS = {
    "a": "The quick brown fox jumps over the lazy dog, while seven wizards box quickly in the old stone yard.",
    "b": "The quick brown fox jumps over the lazy dog, while eight wizards box quickly in the old stone yard!",
    "c": "短叶水蜈蚣是莎草科水蜈蚣属的植物，多年生草本。",
    "d": "two words",
    "e": "!!!",
}


def document(doc_id: str, text: str, drop_reason: str | None = None) -> tuple[object, ...]:
    return (doc_id, "s", "a", 1, None, "", text, [], doc_id, "prose", None, len(text), doc_id, drop_reason)


@pytest.mark.parametrize(("ngram", "permutations", "seed"), [(5, 128, 13), (2, 16, 1)])
def test_they_are_what_datasketch_makes_of_the_same_ngrams(rows, ngram, permutations, seed):
    cfg = DedupeConfig(ngram=ngram, permutations=permutations, seed=seed, threshold=0.5, recall=0.5)
    documents = rows(
        DOCUMENTS, *[document(name, text) for name, text in TEXTS.items()], document("gone", TEXTS["a"], "too_short")
    )

    found = {row.doc_id: row.minhash for row in sign_as_datasketch(documents, cfg).collect()}

    assert found.keys() == TEXTS.keys()
    for name, text in TEXTS.items():
        theirs = MinHash(num_perm=permutations, seed=seed)
        theirs.update_batch([gram.encode() for gram in sorted(shingles(text, ngram))])
        assert found[name] == theirs.hashvalues.tolist()
    read = [MinHash(hashvalues=found[name], seed=seed, scheme="affine32") for name in ("a", "b")]
    assert 0.2 < read[0].jaccard(read[1]) < 1.0
