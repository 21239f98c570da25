"""Texts beyond what the model reads are counted by role."""

from tests.pipeline.lint.fakes import make_tools
from tests.pipeline.lint.sets import look_at, make_rows, places_of, write_jsonl


def test_texts_that_are_cut_are_named_with_their_share_by_role(tmp_path):
    rows = make_rows(10, negatives=1)
    rows[3]["pos"] = [" ".join(["word"] * 500)]

    seen, found = look_at(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "s", tools=make_tools(reads=128))

    assert places_of(seen, found["too_long"]) == {(3, "pos[0]")}
    assert found["too_long"].tell(0) == "500 tokens"
    assert "positives 10.0%, negatives 0.0%; 75% of a cut text" in found["too_long"].summary


def test_a_few_long_texts_among_many_are_no_finding(tmp_path):
    rows = make_rows(60)
    rows[3]["pos"] = [" ".join(["word"] * 500)]

    _, found = look_at(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "s", tools=make_tools(reads=128))

    assert not found["too_long"]
