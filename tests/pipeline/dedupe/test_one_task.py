"""What the one task holds and leaves out: no shared key is lost, no set, and signing does not wait for reading."""

import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedupe import one_task
from pipeline.dedupe.buckets import group_buckets, keep_shared
from pipeline.dedupe.config import DedupeConfig
from pipeline.dedupe.near import sign_batches
from pipeline.dedupe.shingling import shingle_texts

CFG = DedupeConfig()
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
    signed = sign_batches(iter([batch_of(part) for part in parts]), CFG)
    rows, sets = one_task._hold(signed)
    wanted = shingle_texts(pa.array(texts), CFG.ngram)
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

    got.extend(sign_batches(read(), CFG, threads=2))
    assert got == list(sign_batches(iter(batches), CFG))
    assert got_before[-1] > 0


def batch_of(texts):
    """Return texts with their places for nodes."""
    columns = {"node": pa.array(range(len(texts)), pa.int64()), "text": pa.array(texts, pa.string())}
    return pa.RecordBatch.from_pydict(columns)
