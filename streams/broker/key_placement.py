"""Which hash places a topic's records, and whether their keys are the users that they are about.

Driftline is exact wherever a user's events lie. But a user whose events come by several partitions is taken over again and
again by the workers that hold them, so the placement is worth knowing. Two hashes are in use: Java's producers, and those
that agree with them, take murmur2; librdkafka's default is CRC-32. Producers of both kinds on one topic put the same key in
two places.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ENOUGH: Final = 0.99
"""Share of the distinct keys that a hash has to explain for it to be the one in use: the newest records may still hold some
from before a change."""
CHANCE: Final = 1e-3
"""Below this probability that as many keys lie right by chance, a hash is taken as found."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A record of a topic as far as its placement goes."""

    partition: int
    key: bytes | None
    user_id: str | None
    """None: the record is not an event that can be decoded"""


@dataclass(frozen=True, slots=True)
class KeyPlacement:
    """What a sample of one topic says."""

    records: int
    null_keys: int
    other_keys: int
    """records with a key that is not their user id"""
    murmur2: int
    """distinct keys that lie where murmur2 puts them"""
    crc32: int
    """and where CRC-32 does"""
    keys: int
    """distinct keys; one that lies in several partitions counts once for each"""
    users: int
    scattered: int
    """users with records in more than one partition"""
    partitions: int

    @property
    def hash(self) -> str:
        """`murmur2`, `crc32`, `both` (producers of two kinds), `none`, or `unknown` where the sample can't tell."""
        if self.partitions < 2 or not self.keys or self.partitions ** -float(self.keys) > CHANCE:
            return "unknown"
        if self.murmur2 >= ENOUGH * self.keys:
            return "murmur2"
        if self.crc32 >= ENOUGH * self.keys:
            return "crc32"
        # By chance each explains one key in `partitions`, and what one explains the other rarely does.
        left = self.keys - max(self.murmur2, self.crc32)
        explained = self.murmur2 + self.crc32 - (self.murmur2 + self.crc32) / self.partitions / 2
        more_than_chance = min(self.murmur2, self.crc32) > 1.5 * self.keys / self.partitions
        return "both" if left and more_than_chance and explained >= 0.9 * self.keys else "none"


def placement(sample: Sequence[Sampled], partitions: int) -> KeyPlacement:
    """Judge the sampled records of a topic with so many partitions.

    >>> sample = [Sampled(murmur2_partition(b"ada", 4), b"ada", "ada")]
    >>> found = placement(sample, 4)
    >>> found.murmur2, found.other_keys, found.hash
    (1, 0, 'unknown')
    """
    keyed = {(record.key, record.partition) for record in sample if record.key is not None}
    where: dict[str, set[int]] = {}
    for record in sample:
        if record.user_id is not None:
            where.setdefault(record.user_id, set()).add(record.partition)
    return KeyPlacement(
        records=len(sample),
        null_keys=sum(record.key is None for record in sample),
        other_keys=sum(
            record.key is not None and record.user_id is not None and record.key != record.user_id.encode()
            for record in sample
        ),
        murmur2=sum(murmur2_partition(key, partitions) == at for key, at in keyed),
        crc32=sum(crc32_partition(key, partitions) == at for key, at in keyed),
        keys=len(keyed),
        users=len(where),
        scattered=sum(len(at) > 1 for at in where.values()),
        partitions=partitions,
    )


def producer_advice(placement: KeyPlacement) -> str:
    """What to set in the producer, "" where nothing has to be: for speed, since the states are exact either way."""
    steps = []
    if placement.null_keys:
        steps.append("give each event the user id as its key (a null key is placed at random)")
    if placement.other_keys:
        steps.append("key events by user_id alone, as plain UTF-8 text")
    if placement.hash == "both":
        steps.append(
            "let all producers hash alike: librdkafka and what is built on it with partitioner=murmur2_random"
        )
    if placement.hash == "none" and not steps:
        steps.append(
            "use one partitioner that hashes the key, and no custom one (murmur2 is the field's default)"
        )
    return "; ".join(steps)


def crc32_partition(key: bytes, partitions: int) -> int:
    """librdkafka's default (`consistent_random`) for a key that is not null.

    >>> crc32_partition(b"ada", 4)
    0
    """
    return zlib.crc32(key) % partitions


def murmur2_partition(key: bytes, partitions: int) -> int:
    """Java's default for a key that is not null: murmur2, its sign bit cleared.

    >>> murmur2_partition(b"ada", 4)
    1
    """
    from kafka.partitioner.default import murmur2

    return int(murmur2(key) & 0x7FFFFFFF) % partitions
