"""What the one task holds and leaves out: no shared key is lost, no set, and signing does not wait for reading."""

import time
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.similarity import one_task
from pipeline.similarity.buckets import group_buckets, keep_shared
from pipeline.similarity.minhash import Banding, Signing
from pipeline.similarity.near import link_bucket, sign_batches
from pipeline.similarity.shingles import ShingleSets, shingle_texts

SIGNING = Signing(ngram=5, banding=Banding(21, 6), seed=13)
KEYS = st.lists(st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 9)), max_size=80)


@given(KEYS)
def test_every_row_of_a_shared_bucket_stays(keys):
    keys, nodes = np.array(keys, np.int64), np.arange(len(keys))
    kept, owners = keep_shared(keys, nodes)
    assert np.array_equal(keys[owners], kept)
    shared = {node for node in nodes if (keys == keys[node]).sum() > 1}
    assert shared <= set(owners.tolist())
    whole, part = group_buckets(keys, nodes), group_buckets(kept, owners)
    for side in ("keys", "counts", "hubs", "alike"):
        assert np.array_equal(getattr(whole, side), getattr(part, side)), side


def test_of_many_hashes_few_stay_that_nobody_shares():
    keys = np.random.default_rng(0).integers(-(1 << 63), 1 << 63, 100_000)
    keys[:1000] = keys[1000:2000]
    kept, _ = keep_shared(keys, np.arange(len(keys)))
    assert 2000 <= len(kept) < 0.15 * len(keys)


@pytest.mark.parametrize("room", [1, 20, 1 << 20])
def test_sets_are_held_in_the_order_of_their_batches_whatever_room_there_was(monkeypatch, room):
    monkeypatch.setattr(one_task, "ONE_TASK", room)
    texts = [f"{word} of the sea and the land about it, number {word * 2}" for word in "abcdefgh"] + ["", "one"]
    parts = [texts[:3], [], texts[3:4], texts[4:]]
    signed = sign_batches(iter([batch_of(part) for part in parts]), SIGNING)
    rows, sets = one_task._hold(signed)
    wanted = shingle_texts(pa.array(texts), SIGNING.ngram)
    assert np.array_equal(sets.values, wanted.values)
    assert np.array_equal(sets.offsets, wanted.offsets)
    assert rows["node"].to_pylist() == [node for part in parts for node in range(len(part))]
    assert "shingles" not in rows.column_names


def test_two_threads_sign_what_one_does_and_hand_it_on_while_more_is_read():
    batches = [batch_of([f"text {place} says something about number {place}"]) for place in range(10)]
    got, got_before = [], []

    def read():
        for batch in batches:
            time.sleep(0.1)  # in which the batch before is signed
            got_before.append(len(got))
            yield batch

    got.extend(sign_batches(read(), SIGNING, threads=2))
    assert got == list(sign_batches(iter(batches), SIGNING))
    assert got_before[-1] > 0


def set_of(numbers):
    """Return one set of shingles a list of numbers."""
    sides = [np.unique(np.array(each, np.uint64)) for each in numbers]
    offsets = np.cumsum([0, *map(len, sides)])
    return ShingleSets(np.concatenate(sides), offsets, np.zeros(len(sides), np.uint64))


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=4, max_size=12),
    st.lists(st.sets(st.integers(0, 11), min_size=2), min_size=1, max_size=6),
)
def test_small_buckets_looked_through_at_once_give_the_pairs_that_each_gives_alone(numbers, buckets):
    sets, places = set_of(numbers), np.random.default_rng(len(numbers)).permutation(len(numbers))
    held = [(key, node) for key, bucket in enumerate(buckets) for node in sorted(bucket) if node < len(numbers)]
    keys, owners = np.array(held, np.int64).reshape(-1, 2).T
    found = []
    for small in (0, 4, 12):
        with mock.patch.object(one_task, "_SMALL", small):
            found.append(one_task.link_texts(sets, places, keys, owners, 0.6))
    for other in found[1:]:
        for side in ("left", "right", "jaccard"):
            assert np.array_equal(getattr(found[0], side), getattr(other, side)), side


def test_only_small_buckets_that_hide_a_pair_are_looked_through_again():
    numbers = [[0, 1, 2, 3], [9, 8], [7, 6], [0, 1, 2, 4], [0, 1, 2, 4, 5]]
    asked = []

    def link(sets, roots, threshold):
        asked.append(sets.values.tolist())
        return link_bucket(sets, roots, threshold)

    keys, owners = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 3, 4])  # the hub, 0, is like no other
    with mock.patch.object(one_task, "link_bucket", link):
        pairs = one_task.link_texts(set_of(numbers), np.arange(5), keys, owners, 0.7)
    assert len(asked) == 1
    assert (pairs.left.tolist(), pairs.right.tolist(), pairs.jaccard.tolist()) == ([3], [4], [0.8])


def batch_of(texts):
    """Return texts with their places for nodes."""
    columns = {"node": pa.array(range(len(texts)), pa.int64()), "text": pa.array(texts, pa.string())}
    return pa.RecordBatch.from_pydict(columns)
