"""Batches of texts: bounded, complete, of few shapes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.batching import length_buckets, plan_batches


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 128), max_size=200),
    tokens=st.integers(64, 4096),
    padding=st.integers(0, 4096),
)
def test_every_text_is_in_one_batch_that_holds_it(lengths: list[int], tokens: int, padding: int) -> None:
    """Any lengths: each text once, none longer than its batch, no batch above its tokens or its padding."""
    of = np.array(lengths, dtype=np.int64)
    buckets = length_buckets(128)
    batches = list(plan_batches(of, buckets, tokens, padding))
    rows = np.concatenate([batch.rows for batch in batches]) if batches else np.zeros(0, dtype=np.int64)
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert batch.length in buckets
        assert of[batch.rows].max() <= batch.length
        assert len(batch.rows) * batch.length <= tokens or len(batch.rows) == 1
        own = buckets[np.searchsorted(buckets, of[batch.rows])]
        assert (batch.length - own).sum() <= padding


def test_short_texts_are_not_padded_to_a_long_neighbour() -> None:
    """One long text among short ones costs one pass of its own, not a hundred long rows."""
    lengths = np.array([120] + [6] * 100, dtype=np.int64)
    batches = list(plan_batches(lengths, length_buckets(128), 4096, 48))
    assert [(batch.length, len(batch.rows)) for batch in batches] == [(120, 1), (6, 100)]


def test_a_few_texts_of_near_lengths_share_a_pass() -> None:
    """Where padding is cheaper than another pass, texts of different buckets go together."""
    batches = list(plan_batches(np.array([20, 17, 15, 14]), length_buckets(128), 2048, 48))
    assert len(batches) == 1


def test_buckets_end_at_the_longest_text_allowed() -> None:
    """No text is padded beyond max_length, whatever it is, and there are few buckets."""
    for max_length in (4, 7, 32, 100, 128, 512, 8192):
        buckets = length_buckets(max_length)
        assert buckets[-1] == max_length
        assert (np.diff(buckets) > 0).all()
        assert len(buckets) <= 32 + max_length // 32
