"""Answers are there once they are said to be, survive whatever is built or removed, and are never lost in silence."""

import json
import threading
import uuid

import pytest

from jobs.store.object_store import MIRRORS
from jobs.store.open import open_store
from jobs.store.reviews import append_reviews, digest_reviews, read_reviews, time_after
from jobs.store.tables import Store
from schemas.errors import EngineError, ShardError
from schemas.reviews import NO, YES, Review


def review(number=0, answer=YES, reviewer="person:a"):
    return Review(f"q{number}", "t", answer, reviewer, f"2026-12-01T10:00:00.{number:06}Z")


def files(store):
    return sorted((store.workspace / "reviews").iterdir())


def test_answers_are_read_back_in_the_order_of_time(tmp_path):
    store = Store(tmp_path)
    assert read_reviews(store) == ()
    append_reviews(store, [review(2), review(1, NO)])
    append_reviews(store, [review(0)])
    append_reviews(store, [])

    assert read_reviews(Store(tmp_path)) == (review(0), review(1, NO), review(2))
    assert len(files(store)) == 2


def test_an_answer_that_is_kept_twice_is_one(tmp_path):
    store = Store(tmp_path)
    append_reviews(store, [review(0)])
    append_reviews(store, [review(0), review(1)])
    assert read_reviews(store) == (review(0), review(1))


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    store = Store(tmp_path)

    def write(name):
        for number in range(40):
            append_reviews(store, [review(number, reviewer=f"person:{name}")])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(read_reviews(store)) == 160


def test_what_a_crash_left_of_a_file_is_no_answer(tmp_path):
    store = Store(tmp_path)
    append_reviews(store, [review(0)])
    (tmp_path / "reviews" / f".{files(store)[0].name}.77").write_text('{"query_key": "q')
    assert read_reviews(store) == (review(0),)


@pytest.mark.parametrize("harm", [lambda raw: raw[:-9], lambda raw: raw.replace(b"yes", b"no"), lambda _: b""])
def test_a_damaged_file_is_named(tmp_path, harm):
    store = Store(tmp_path)
    append_reviews(store, [review(0)])
    path = files(store)[0]
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ShardError, match=rf"{path.name} is damaged: .* try restoring it from a copy"):
        read_reviews(store)


def test_a_line_that_is_no_answer_is_named_by_its_number(tmp_path, monkeypatch):
    store = Store(tmp_path)
    monkeypatch.setattr("jobs.store.reviews.asdict", lambda each: {"answer": "perhaps"})
    append_reviews(store, [review(0)])
    with pytest.raises(ShardError, match=r"line 1 must be an answer, got .*perhaps"):
        read_reviews(store)


def test_a_file_of_somebody_elses_is_named_and_not_passed_over(tmp_path):
    store = Store(tmp_path)
    append_reviews(store, [review(0)])
    (tmp_path / "reviews" / "mine.jsonl").write_text("{}\n")
    with pytest.raises(ShardError, match=r"got mine\.jsonl; try moving it elsewhere, and pairwright review"):
        read_reviews(store)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "reviews").write_text("a file where a folder should be")
    with pytest.raises(EngineError, match="cannot be written"):
        append_reviews(Store(tmp_path), [review(0)])


def test_the_digest_sees_what_stands_and_not_when_it_was_said():
    first, again = review(1), review(2)
    later = Review(first.query_key, "t", YES, "person:a", again.at)
    assert digest_reviews([first]) == digest_reviews([first, later]) == digest_reviews([later, first])
    assert digest_reviews([first]) != digest_reviews([review(1, NO)])


def test_time_goes_on_when_the_clock_is_set_back():
    ahead = Review("q", "t", YES, "person:a", "2999-01-01T00:00:00.999999Z")
    assert time_after([ahead]) == "2999-01-01T00:00:01.000000Z"
    assert "2026" <= time_after([]) < "2999"


def test_both_sides_of_an_object_store_hold_the_union_without_the_lease(tmp_path, monkeypatch):
    uri = f"memory://{uuid.uuid4().hex}/w"

    def at(machine):
        monkeypatch.setenv(MIRRORS, str(tmp_path / machine))
        store = open_store(uri)
        store.mirror.look()
        return store

    first, second = at("first"), at("second")
    with first.mirror.hold("pairwright build"):  # a build goes on meanwhile
        append_reviews(second, [review(0)])
        append_reviews(first, [review(1)])
    assert read_reviews(at("second")) == read_reviews(at("third")) == (review(0), review(1))
    with at("first").mirror.hold("pairwright gc"):
        pass
    assert read_reviews(at("fourth")) == (review(0), review(1))


def test_what_could_not_be_pushed_is_pushed_by_the_next_command(tmp_path, monkeypatch):
    uri = f"memory://{uuid.uuid4().hex}/w"
    monkeypatch.setenv(MIRRORS, str(tmp_path / "first"))
    store = open_store(uri)
    store.mirror.look()
    real = store.mirror.remote.write
    monkeypatch.setattr(store.mirror.remote, "write", lambda *_: (_ for _ in ()).throw(EngineError("no network")))
    with pytest.raises(EngineError, match="no network"):
        append_reviews(store, [review(0)])
    assert read_reviews(store) == (review(0),)
    monkeypatch.setattr(store.mirror.remote, "write", real)
    with store.mirror.hold("pairwright build"):
        pass
    monkeypatch.setenv(MIRRORS, str(tmp_path / "second"))
    other = open_store(uri)
    other.mirror.look()
    assert read_reviews(other) == (review(0),)


def test_one_answer_is_one_readable_line(tmp_path):
    store = Store(tmp_path)
    append_reviews(store, [review(0)])
    told = json.loads(files(store)[0].read_text())
    assert (told["query_key"], told["answer"], told["reviewer"]) == ("q0", "yes", "person:a")
