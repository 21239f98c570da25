"""Rows of several domains in one batch are told from files in the order of their domains."""

from tests.pipeline.lint.fakes import make_tools
from tests.pipeline.lint.sets import look_at, make_rows, make_words, write_jsonl


def domains(rows, order):
    return [{**row, "domain": f"d{place}"} for row, place in zip(rows, order, strict=True)]


def test_domains_in_turns_mix_and_domains_in_order_do_not(tmp_path):
    rows = make_rows(256, negatives=1)
    mixed = write_jsonl(tmp_path / "mixed.jsonl", domains(rows, [i % 4 for i in range(256)]))
    ordered = write_jsonl(tmp_path / "ordered.jsonl", domains(rows, [i // 64 for i in range(256)]))

    _, found = look_at(mixed, tmp_path / "a")
    assert found["mixed_batches"]
    assert "holds 4.0 as the files stand, 4.0 when shuffled" in found["mixed_batches"].summary
    _, found = look_at(ordered, tmp_path / "b")
    assert not found["mixed_batches"]
    assert "holds 1.0 as the files stand" in found["mixed_batches"].summary


def test_topics_are_seen_by_vectors_where_no_column_names_a_domain(tmp_path):
    rows = make_rows(300, negatives=1)
    topics = [make_words(3, seed=100 + number) for number in range(4)]
    for number, row in enumerate(rows):
        more = " ".join(topics[number % 4] * 60)
        row["pos"], row["neg"] = [f"{row['pos'][0]} {more}"], [f"{row['neg'][0]} {more}"]

    _, found = look_at(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "a", tools=make_tools())
    assert found["mixed_batches"]
    _, found = look_at(write_jsonl(tmp_path / "b.jsonl", make_rows(300)), tmp_path / "b", tools=make_tools())
    assert not found["mixed_batches"]
