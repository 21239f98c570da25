"""Of several answers by one reviewer to one pair the last stands, and one that was drawn stays in its sample."""

import hashlib
from itertools import permutations

import pytest

from schemas.reviews import BROWSED, CHECK, ESTIMATE, WITHDRAWN, Review, content_key, standing_reviews


def review(answer, at, purpose=ESTIMATE, inclusion=1.0, reviewer="person:a", text="t"):
    return Review("q", text, answer, reviewer, at, purpose, inclusion)


def test_the_last_answer_stands_whatever_the_order_they_are_read_in():
    given = [review("yes", "1"), review("no", "3"), review("unsure", "2"), review("yes", "1", reviewer="model:m")]
    for order in permutations(given):
        assert [(each.reviewer, each.answer) for each in standing_reviews(order)] == [
            ("model:m", "yes"),
            ("person:a", "no"),
        ]


def test_an_answer_that_was_taken_back_is_none_until_it_is_given_again():
    given = [review("yes", "1"), review(WITHDRAWN, "2")]
    assert standing_reviews(given) == ()
    assert [each.answer for each in standing_reviews([*given, review("no", "3")])] == ["no"]


def test_a_check_that_was_taken_back_leaves_the_answer_before_it():
    drawn, check = review("yes", "1", inclusion=0.25), review("no", "2", CHECK)
    assert standing_reviews([drawn, check, review(WITHDRAWN, "3", CHECK)]) == (drawn,)
    assert standing_reviews([drawn, check, review(WITHDRAWN, "3")]) == (check,)


@pytest.mark.parametrize("again", [CHECK, BROWSED])
def test_a_pair_that_was_drawn_stays_in_the_sample_when_it_is_met_again(again):
    first, second = review("yes", "1", inclusion=0.25), review("no", "2", again)
    assert standing_reviews([first, second]) == (review("no", "2", inclusion=0.25),)
    drawn_anew = review("no", "3", inclusion=0.5)
    assert standing_reviews([first, second, drawn_anew]) == (drawn_anew,)


@pytest.mark.parametrize("wrong", [{"answer": "maybe"}, {"purpose": "fun"}, {"inclusion": 0.0}, {"inclusion": 1.5}])
def test_what_is_no_answer_is_refused(wrong):
    with pytest.raises(ValueError, match="a review must have an answer of yes, no, unsure"):
        Review(**{"query_key": "q", "text_key": "t", "answer": "yes", "reviewer": "person:a", "at": "1"} | wrong)


def test_a_text_is_known_by_its_hash_as_caches_know_it():
    assert content_key("où") == hashlib.sha256("où".encode()).hexdigest()
    assert content_key("half of a pair: \ud83d")  # no text of a stranger ends a session
