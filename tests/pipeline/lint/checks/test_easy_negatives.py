"""A random text is an easy negative, one that shares the query's words is not."""

from tests.pipeline.lint.fakes import make_tools
from tests.pipeline.lint.sets import look_at, make_rows, places_of, write_jsonl


def test_random_texts_are_easy_and_texts_of_the_query_are_not(tmp_path):
    rows = make_rows(60)
    for row in rows:
        row["neg"] = [row["neg"][0], " ".join([row["query"]] * 6 + row["neg"][1].split()[:20])]

    seen, found = look_at(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "s", tools=make_tools())
    easy = places_of(seen, found["easy_negative"])

    assert len([place for place in easy if place[1] == "neg[0]"]) >= 0.9 * 60
    assert [place for place in easy if place[1] == "neg[1]"] == []


def test_without_a_model_it_is_said_to_be_left_out(tmp_path):
    _, found = look_at(write_jsonl(tmp_path / "a.jsonl", make_rows(3)), tmp_path / "s")

    assert "--model DIR" in found["easy_negative"].why
