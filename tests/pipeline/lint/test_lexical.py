"""BM25 over the texts of a set equals a plain one; what no word is shared with has no rank."""

import math

import numpy as np

from pipeline.lint.lexical import K1, B, search_words
from pipeline.lint.texts import TextWriter
from tests.pipeline.lint.sets import make_words


def plain_bm25(query, documents):
    split = [text.split() for text in documents]
    mean = sum(map(len, split)) / len(split)
    scores = []
    for words in split:
        score = 0.0
        for term in set(query.split()):
            held = sum(term in each for each in split)
            if held <= len(split) / 2:
                idf = math.log(1 + (len(split) - held + 0.5) / (held + 0.5))
                norm = K1 * (1 - B + B * len(words) / mean)
                score += idf * words.count(term) * (K1 + 1) / (words.count(term) + norm)
        scores.append(score)
    return np.array(scores)


def test_shares_and_ranks_are_those_of_plain_bm25(tmp_path):
    rng, vocabulary = np.random.default_rng(3), make_words(60)
    documents = [" ".join(rng.choice(vocabulary, rng.integers(5, 60))) for _ in range(40)]
    queries = [" ".join(rng.choice(vocabulary, 4)) for _ in range(5)] + ["unheard of"]
    writer = TextWriter(tmp_path)
    numbers, asked = (np.array([writer.add(text) for text in texts]) for texts in (documents, queries))
    texts = writer.close()
    of_query, at = np.repeat(np.arange(6), 40), np.tile(np.arange(40), 6)

    share, rank = search_words(texts, np.sort(numbers), asked, of_query, numbers[at])

    for query in range(5):
        scores = plain_bm25(queries[query], documents)
        mine = slice(query * 40, query * 40 + 40)
        np.testing.assert_allclose(share[mine], scores / scores.max(), atol=1e-5)
        assert [rank[mine][i] for i in np.flatnonzero(scores)] == [
            1 + (scores > scores[i] + 1e-12).sum() for i in np.flatnonzero(scores)
        ]
        assert np.isnan(rank[mine][scores == 0]).all()
    assert np.isnan(share[200:]).all()
