"""A sample is drawn by content, and measured in relation to the query's own texts."""

import numpy as np

from pipeline.lint.config import LintConfig
from pipeline.lint.context import Lint
from pipeline.lint.files import find_files
from pipeline.lint.rows import read_set
from tests.pipeline.lint.fakes import encode, make_tools
from tests.pipeline.lint.sets import make_rows, write_jsonl


def measure(path, folder, sample=1000):
    folder.mkdir()
    return Lint(read_set(find_files([str(path)]), folder), LintConfig(), folder, tools=make_tools(sample))


def test_the_same_negatives_are_drawn_in_whatever_order_the_rows_stand(tmp_path):
    rows = make_rows(50)
    forth = measure(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "a", 40)
    back = measure(write_jsonl(tmp_path / "b.jsonl", rows[::-1]), tmp_path / "b", 40)

    drawn = [sorted(each.set.texts.take(each.set.text[each.measured.passage])) for each in (forth, back)]
    assert (len(drawn[0]), drawn[0]) == (40, drawn[1])
    assert (forth.measured.of, forth.measured.is_sample) == (200, True)


def test_signals_are_those_of_the_vectors(tmp_path):
    rows = make_rows(30)
    found = measure(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "a")
    measured, texts = found.measured, found.set.texts

    for i in range(0, 120, 17):
        row = rows[found.set.row[measured.passage[i]]]
        query, positive, negative = encode(
            [row["query"], row["pos"][0], texts[found.set.text[measured.passage[i]]]]
        ).astype(float)
        others = encode([each for other in rows if other is not row for each in (*other["pos"], *other["neg"])])
        assert abs(measured.dense[i] - query @ negative) < 1e-5
        assert abs(measured.closer[i] - (others @ query > query @ negative + 1e-6).mean()) < 0.01
        near = [*row["neg"], *(each for other in rows if other is not row for each in (*other["pos"], *other["neg"]))]
        rank = 1 + (np.round(encode(near) @ query, 6) > measured.dense[i] + 1e-6).sum()
        assert abs(np.exp(measured.signals["log_dense"][i]) - (rank if rank <= 100 else 150)) < 1.5
        gap = query @ negative - query @ positive
        assert np.sign(measured.signals["gap_spread"][i]) == np.sign(gap)


def test_a_query_without_a_positive_has_no_signals_of_one(tmp_path):
    rows = [{"query": row["query"], "pos": [], "neg": row["neg"]} for row in make_rows(3)]
    measured = measure(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "a").measured

    assert measured.signals[["gap_spread", "positive_z"]].isna().all(axis=None)
    assert measured.signals["cosine_z"].notna().all()
