"""A reviewer is held against oneself, against what is known and against people; a model counts once it agrees."""

import pytest

from pipeline.review.agreement import (
    Agreement,
    choose_counting,
    compare_answers,
    compare_with_people,
    measure_checks,
    measure_consistency,
)
from pipeline.review.config import ReviewConfig
from schemas.errors import RecipeError
from schemas.reviews import CHECK, ESTIMATE, Review

ANA, BEN, LLM = "person:ana", "person:ben", "model:m"


def review(pair, answer, reviewer=ANA, purpose=ESTIMATE, at="2026-12-01T10:00:00.000000Z", inclusion=0.5):
    return Review(f"q{pair}", "t", answer, reviewer, at, purpose, inclusion)


def test_kappa_is_cohens():
    """The example of Cohen's coefficient in the textbooks: 20 and 15 equal of 50."""
    answers = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert compare_answers(answers) == Agreement(50, 35, 0.4)
    assert compare_answers([]) == Agreement(0, 0, None)
    assert compare_answers([("no", "no")] * 9) == Agreement(9, 9, None)  # no evidence of telling anything apart
    assert compare_answers([("no", "yes"), ("yes", "no")]).kappa == -1


def test_a_repeat_that_differs_is_inconsistent():
    reviews = [review(1, "yes"), review(1, "no", purpose=CHECK), review(2, "no"), review(2, "no", purpose=CHECK)]
    reviews += [review(3, "yes"), review(4, "no", purpose=CHECK), review(5, "yes", BEN), review(5, "no", purpose=CHECK)]
    assert measure_consistency(reviews, ANA).share == 0.5
    assert measure_consistency(reviews, ANA).pairs == 2
    assert measure_consistency(reviews, BEN).share is None


def test_checks_are_held_against_what_is_known():
    reviews = [review(1, "yes", purpose=CHECK), review(2, "yes", purpose=CHECK), review(3, "no")]
    found = measure_checks(reviews, ANA, {("q1", "t"): "yes", ("q2", "t"): "no"})
    assert (found.pairs, found.same) == (2, 1)


def answers(reviewer, count=60, wrong=0):
    """A third are yes; the first ``wrong`` are answered otherwise than people do."""
    truth = ["yes" if pair % 3 == 0 else "no" for pair in range(count)]
    other = {"yes": "no", "no": "yes"}
    return [review(pair, other[each] if pair < wrong else each, reviewer) for pair, each in enumerate(truth)]


@pytest.mark.parametrize(
    ("common", "wrong", "counts"),
    [(60, 3, True), (60, 20, False), (49, 0, False), (50, 0, True)],
)
def test_a_models_answers_count_only_once_it_agrees_with_people_on_enough_pairs(common, wrong, counts):
    own = [review(1000 + pair, "yes", LLM) for pair in range(5)]
    reviews = [*answers(ANA, common), *answers(LLM, common, wrong), *own]
    counting = choose_counting(reviews, ReviewConfig())
    assert {each.reviewer for each in counting} == ({ANA, LLM} if counts else {ANA})
    assert len(counting) == common + 5 * counts
    assert counting == choose_counting(reversed(reviews), ReviewConfig())


def test_a_model_that_says_no_to_everything_never_counts():
    people = [review(pair, "no") for pair in range(60)]
    model = [review(pair, "no", LLM) for pair in range(80)]
    assert {each.reviewer for each in choose_counting([*people, *model], ReviewConfig())} == {ANA}


def test_what_a_person_says_outranks_a_model_and_the_later_person_the_earlier():
    later = review(1, "no", BEN, at="2026-12-02T10:00:00.000000Z", purpose=CHECK)
    reviews = [*answers(ANA), *answers(LLM), later]
    counting = {each.pair: each for each in choose_counting(reviews, ReviewConfig())}
    assert {each.reviewer for each in counting.values()} == {ANA, BEN}
    assert (counting["q1", "t"].answer, counting["q1", "t"].purpose, counting["q1", "t"].inclusion) == (
        "no",
        ESTIMATE,
        0.5,
    )


def test_unsure_answers_say_nothing_of_agreement():
    reviews = [review(1, "unsure"), review(1, "yes", LLM), review(2, "yes"), review(2, "yes", LLM)]
    assert compare_with_people(reviews, LLM).pairs == 1


def test_a_model_needs_a_server_and_a_band_needs_order():
    with pytest.raises(RecipeError, match="url must be set with by: llm"):
        ReviewConfig(by="llm")
    with pytest.raises(RecipeError, match="an http or https URL"):
        ReviewConfig(url="file:///etc/passwd")
    with pytest.raises(RecipeError, match="below band_high"):
        ReviewConfig(band_low=0.6)
