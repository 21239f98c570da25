"""The judge's line says what became of the teacher's vote."""

import pytest

from jobs.judge import describe_vote


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        ({"earned": True}, ["the teacher votes: it tells answers better than the other signals alone"]),
        ({"earned": False}, ["the teacher has no vote: it does not tell answers better than the other signals"]),
        ({"earned": False, "why": "it scored 3"}, ["the teacher has no vote: it scored 3"]),
        ({}, []),
    ],
)
def test_the_vote_is_told_with_its_reason(figures, says):
    assert describe_vote(figures) == says
