"""Planned batches: no two rows of a batch stand in each other's way, nothing vanishes, partitioning does not matter."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.assemble.batches import Slot, fill_batches, plan_batches
from pipeline.assemble.config import AssembleConfig
from schemas.documents import DUPLICATES, NEAR
from schemas.errors import RecipeError
from schemas.shards import EXAMPLES, INCOMPLETE_BATCH, NO_NEGATIVES, PAIR_TASK, TRIPLET_TASK

_letters = st.sampled_from("abcdefgh")
_slot = st.tuples(
    st.sampled_from("uvwxyz"), _letters, st.lists(_letters, max_size=3).map(tuple), st.frozensets(_letters, max_size=3)
)


def clashes(one, other):
    """The rule itself, pair by pair: what the planner's running sets must amount to. Rows are (slot, documents)."""
    (slot, documents), (rival, others) = one, other
    return bool(
        slot.query_id == rival.query_id
        or set(documents) & set(others)
        or slot.known & set(others)
        or rival.known & set(documents)
    )


@settings(max_examples=500)
@given(st.lists(_slot, max_size=40), st.integers(1, 6), st.integers(1, 5), st.integers(1, 3))
def test_no_two_rows_of_a_batch_clash_and_every_row_is_in_one_batch(drawn, size, window, fewest):
    slots = {str(i): Slot(str(i), *parts) for i, parts in enumerate(drawn)}

    batches = list(fill_batches(list(slots.values()), size, window, fewest))

    assert sorted((row.example_id for batch in batches for row in batch), key=int) == list(slots)
    assert all(len(batch) <= size for batch in batches)
    for batch in batches:
        rows = []
        for placed in batch:
            slot = slots[placed.example_id]
            documents = [slot.positive, *(slot.negatives[place] for place in placed.held)]
            assert len(set(documents)) == len(documents)
            assert len(documents) - 1 >= min(fewest, len(set(slot.negatives) - {slot.positive}))
            rows.append((slot, documents))
        for one, other in itertools.combinations(rows, 2):
            assert not clashes(one, other)


def batches_of(slots, size, window=4, fewest=1):
    return [[(row.example_id, row.held) for row in batch] for batch in fill_batches(slots, size, window, fewest)]


def test_rows_without_conflicts_fill_every_batch_but_the_last_and_keep_their_negatives():
    slots = [Slot(str(i), f"q{i}", f"d{i}", (f"n{i}", f"m{i}"), frozenset({f"d{i}"})) for i in range(25)]

    batches = batches_of(slots, 10)

    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert all(held == [0, 1] for batch in batches for _, held in batch)


def test_a_full_window_closes_the_oldest_batch():
    slots = [Slot(str(i), "q", f"d{i}", (), frozenset()) for i in range(4)]  # one query: no two may meet

    assert batches_of(slots, 10, window=2) == [[("0", [])], [("1", [])], [("2", [])], [("3", [])]]


def test_a_negative_that_two_rows_share_is_brought_once_when_both_fit_no_other_way():
    slots = [Slot("0", "q0", "d0", ("n", "a"), frozenset()), Slot("1", "q1", "d1", ("n", "b"), frozenset())]

    assert batches_of(slots, 2) == [[("0", [0, 1]), ("1", [1])]]
    assert batches_of(slots, 2, fewest=2) == [[("0", [0, 1])], [("1", [0, 1])]]


def test_a_placed_row_gives_up_a_negative_that_a_newcomer_knows_or_has_as_its_positive():
    first = Slot("0", "q0", "d0", ("x", "y", "z"), frozenset())

    assert batches_of([first, Slot("1", "q1", "x", (), frozenset({"x", "y"}))], 2) == [[("0", [2]), ("1", [])]]
    assert len(batches_of([first, Slot("1", "q1", "x", (), frozenset({"x", "y", "z"}))], 2)) == 2
    assert len(batches_of([first, Slot("1", "q1", "d1", ("n",), frozenset({"d0"}))], 2)) == 2


def test_rows_go_to_batches_that_take_them_whole_before_any_is_trimmed():
    pairs = [
        Slot(f"{n}{i}", f"q{n}{i}", f"d{n}{i}", ("shared" if i == 0 else f"n{n}{i}",), frozenset())
        for n in "ab"
        for i in (0, 1)
    ]

    assert all(held == [0] for batch in batches_of(pairs, 2) for _, held in batch)


def example(i, *, stage=1, domain="d0", query=None, positive=None, negatives=(), known=(), reason=None):
    positive = positive or f"p{i}"
    n = len(negatives)
    return (
        stage,
        f"e{i}",
        PAIR_TASK if stage == 1 else TRIPLET_TASK,
        domain,
        "title",
        query or f"q{i}",
        f"query {i}",
        None,
        positive,
        f"text of {positive}",
        f"own {positive}",
        list(negatives),
        [f"text of {one}" for one in negatives],
        [f"own {one}" for one in negatives],
        [0.1] * n,
        None,
        [-1.0] * n,
        sorted({positive, *known}),
        None,
        None,
        reason,
    )


def standing(row):
    return [row.positive_id, *row.negative_ids]


def planned(frame):
    found = {}
    for row in frame.collect():
        if row.batch is not None:
            found.setdefault((row.stage, row.batch), {})[row.position] = row
    return {key: [batch[i] for i in range(len(batch))] for key, batch in found.items()}  # positions run from 0


# d1, d2 and d3 are one duplicate cluster; the examples share queries, documents and knowledge.
_TWINS = [("d2", "d1", NEAR, 0.9, None), ("d3", "d1", NEAR, 0.8, None)]
_TANGLED = [
    example(
        i,
        stage=1 + i % 2,
        domain=f"dom{i % 3}",
        query=f"q{i % 17}",
        positive=f"d{i % 11}",
        negatives=[f"n{i % 13}", f"d{(i * 7) % 40 + 12}", f"d{(i * 3) % 29 + 12}"][: 3 * (i % 2)],
        known=[f"d{(i * 5) % 9}"],
    )
    for i in range(150)
]
_TIGHT = AssembleConfig(batch_stage1=6, batch_stage2=4, min_batch=2, window=5, block=100)


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_batches_keep_every_rule_however_the_input_is_partitioned(rows, partitions):
    duplicates = rows(DUPLICATES, *_TWINS)
    cluster = {one[0]: one[1] for one in _TWINS}
    whole = plan_batches(rows(EXAMPLES, *_TANGLED).coalesce(1), duplicates, _TIGHT, 13)

    split = rows(EXAMPLES, *_TANGLED).repartition(partitions)
    got = plan_batches(split, duplicates.repartition(partitions), _TIGHT, 13)

    batches = planned(got)
    assert {key: [r.example_id for r in rows] for key, rows in batches.items()} == {
        key: [r.example_id for r in rows] for key, rows in planned(whole).items()
    }
    assert len(batches) > 10
    for (stage, _), batch in batches.items():
        assert 2 <= len(batch) <= (6 if stage == 1 else 4)
        assert len({(r.stage, r.domain, r.task) for r in batch}) == 1
        assert len({r.query_id for r in batch}) == len(batch)
        assert all(r.negative_native_ids == [f"own {one}" for one in r.negative_ids] for r in batch)
        for one, other in itertools.permutations(batch, 2):
            stand, known, others = (
                {cluster.get(d, d) for d in ids} for ids in (standing(one), one.known_ids, standing(other))
            )
            assert not stand & others
            assert not known & others


def test_every_row_comes_out_with_a_batch_or_a_reason(rows):
    given_rows = [*_TANGLED, example(900, domain="lonely"), example(901, reason=NO_NEGATIVES)]

    got = {r.example_id: r for r in plan_batches(rows(EXAMPLES, *given_rows), rows(DUPLICATES), _TIGHT, 13).collect()}

    assert len(got) == len(given_rows)
    assert got["e900"].drop_reason == INCOMPLETE_BATCH
    assert got["e901"].drop_reason == NO_NEGATIVES
    assert all((r.batch is None) == (r.drop_reason is not None) == (r.position is None) for r in got.values())


def test_batches_of_a_stage_are_numbered_without_gaps(rows):
    batches = planned(plan_batches(rows(EXAMPLES, *_TANGLED), rows(DUPLICATES), _TIGHT, 13))

    for stage in (1, 2):
        numbers = sorted(batch for one, batch in batches if one == stage)
        assert numbers == list(range(len(numbers)))


def test_a_blended_stage_mixes_domains(rows):
    pairs = [example(i, domain=f"dom{i % 5}") for i in range(20)]
    config = AssembleConfig(batch_stage1=10, batch_stage2=4, min_batch=2, homogeneous_stage1=False)

    batches = planned(plan_batches(rows(EXAMPLES, *pairs), rows(DUPLICATES), config, 13))

    assert [len(batch) for batch in batches.values()] == [10, 10]
    assert all(len({r.domain for r in batch}) > 1 for batch in batches.values())


def test_another_seed_plans_other_batches(rows):
    pairs = rows(EXAMPLES, *[example(i) for i in range(40)])
    config = AssembleConfig(batch_stage1=10, batch_stage2=4, min_batch=2)

    one, other = (planned(plan_batches(pairs, rows(DUPLICATES), config, seed)) for seed in (1, 2))

    assert {r.example_id for r in one[1, 0]} != {r.example_id for r in other[1, 0]}


def test_large_domains_are_split_into_blocks_and_still_fill_their_batches(rows):
    config = AssembleConfig(batch_stage1=10, batch_stage2=4, min_batch=2, block=100)

    batches = planned(plan_batches(rows(EXAMPLES, *[example(i) for i in range(350)]), rows(DUPLICATES), config, 13))

    assert sum(len(batch) for batch in batches.values()) >= 350 - 4
    assert sum(len(batch) == 10 for batch in batches.values()) >= 31


def test_impossible_settings_are_all_named():
    with pytest.raises(RecipeError, match=r"min_batch must be at most .*shares\.title must be a number"):
        AssembleConfig(batch_stage2=4, min_batch=5, shares={"title": 2})
