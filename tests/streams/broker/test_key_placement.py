"""Which hash placed a topic's records, told from a sample of them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from streams.broker.key_placement import (
    Sampled,
    crc32_partition,
    murmur2_partition,
    placement,
    producer_advice,
)

Placing = Callable[[bytes, random.Random, int], int]
PLACES: dict[str, Placing] = {
    "murmur2": lambda key, rng, n: murmur2_partition(key, n),
    "crc32": lambda key, rng, n: crc32_partition(key, n),
    "both": lambda key, rng, n: rng.choice([murmur2_partition, crc32_partition])(key, n),
    "none": lambda key, rng, n: rng.randrange(n),
}


def sampled(
    place: Placing, partitions: int, key: Callable[[str, int], bytes | None], seed: int
) -> list[Sampled]:
    rng = random.Random(seed)
    records = []
    for number in range(300):
        user = f"user-{rng.randrange(200)}"
        its_key = key(user, number)
        at = rng.randrange(partitions) if its_key is None else place(its_key, rng, partitions)
        records.append(Sampled(at, its_key, user))
    return records


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("partitions", [3, 4, 6, 12, 50])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_hash_in_use_is_named(kind: str, partitions: int, seed: int) -> None:
    """Murmur2, CRC-32, producers of both kinds, and neither, are told apart at every number of partitions."""
    records = sampled(PLACES[kind], partitions, lambda user, _: user.encode(), seed)
    assert placement(records, partitions).hash == kind


def test_one_partition_and_few_keys_prove_nothing() -> None:
    """Where each hash would put the keys so by chance, none is named."""
    assert placement(sampled(PLACES["none"], 1, lambda user, _: user.encode(), 1), 1).hash == "unknown"
    assert placement([Sampled(0, b"a", "a"), Sampled(1, b"b", "b")], 2).hash == "unknown"
    assert placement([], 4).hash == "unknown"


def test_known_places_of_both_hashes() -> None:
    """The two hashes are those of the clients: values from the tests of Kafka's own code, and CRC-32's check value."""
    known = {b"21": -973932308, b"foobar": -790332482, b"": 275646681, b"abc": 479470107}
    for key, value in known.items():
        assert murmur2_partition(key, 1 << 40) == value & 0x7FFFFFFF
    assert crc32_partition(b"123456789", 1 << 40) == 0xCBF43926


def test_keys_that_are_not_the_user_are_counted_and_advised_against() -> None:
    """Null keys, keys by session and JSON keys are told from plain user ids, with what to set in the producer."""
    null = placement(sampled(PLACES["murmur2"], 4, lambda user, _: None, 1), 4)
    assert (null.null_keys, null.hash) == (300, "unknown")
    assert "user id as its key" in producer_advice(null)
    session = placement(sampled(PLACES["murmur2"], 4, lambda user, n: f"{user}/{n}".encode(), 1), 4)
    assert (session.other_keys, session.hash) == (300, "murmur2")
    assert session.scattered > 30
    assert "key events by user_id" in producer_advice(session)
    quoted = placement(sampled(PLACES["murmur2"], 4, lambda user, _: f'"{user}"'.encode(), 1), 4)
    assert (quoted.other_keys, quoted.scattered) == (300, 0)
    two = placement(sampled(PLACES["both"], 4, lambda user, _: user.encode(), 1), 4)
    assert "murmur2_random" in producer_advice(two)
    right = placement(sampled(PLACES["murmur2"], 4, lambda user, _: user.encode(), 1), 4)
    assert (right.scattered, right.other_keys, producer_advice(right)) == (0, 0, "")
