"""Where in Kafka the rows of a log come from, for logs with the columns topic, partition and offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transfer.arrays import I32, I64, Bool
from transfer.codes import NONE
from transfer.rows import group_starts

Partition = tuple[str, int]
"""topic, partition number"""


@dataclass(frozen=True, slots=True, eq=False)
class RowPositions:
    """Of B rows."""

    topic: I32
    """(B,) int32 row of `topics`, -1 where a row does not tell its position"""
    topics: Sequence[str]
    partition: I64
    offset: I64
    """`partition` and `offset`: (B,) int64; any number where `topic` is -1"""

    def partitions(self) -> tuple[I64, list[Partition]]:
        """Codes (B,), -1 where a row does not tell, and the topic-partitions that they stand for."""
        has_position = self.topic != NONE
        # Numbers of partitions are small, but a file may hold any: they are ranked, not multiplied as they are.
        numbers, rank = np.unique(self.partition[has_position], return_inverse=True)
        pair = self.topic[has_position].astype(np.int64) * max(1, len(numbers)) + rank.reshape(-1)
        pairs, code = np.unique(pair, return_inverse=True)
        codes = np.full(len(self.topic), NONE, np.int64)
        codes[has_position] = code.reshape(-1)
        count = max(1, len(numbers))
        return codes, [(self.topics[p // count], int(numbers[p % count])) for p in pairs.tolist()]

    def take(self, rows: I64) -> RowPositions:
        """Of the rows that the index (R,) selects."""
        return RowPositions(self.topic[rows], self.topics, self.partition[rows], self.offset[rows])


@dataclass(frozen=True, slots=True)
class Positions:
    """What a log holds of each topic-partition."""

    first: Mapping[Partition, int] = field(default_factory=dict)
    """the lowest offset"""
    next: Mapping[Partition, int] = field(default_factory=dict)
    """the offset after the highest one"""
    ascending: bool = True
    """whether the offsets of each partition rise from row to row, as they were in the topic"""
    without: int = 0
    """rows that don't tell where they come from"""

    def with_rows(self, rows: RowPositions) -> Positions:
        """With these rows, which follow."""
        codes, partitions = rows.partitions()
        has_position = np.flatnonzero(codes != NONE)
        order = has_position[np.argsort(codes[has_position], kind="stable")]
        code, offset = codes[order], rows.offset[order]
        starts = group_starts([code])
        rising = np.ones(len(order), np.bool_)
        rising[1:] = offset[1:] > offset[:-1]
        rising[starts] = [
            offset[start] >= self.next.get(partitions[code[start]], 0) for start in starts.tolist()
        ]
        first, reached = dict(self.first), dict(self.next)
        if len(starts):
            lowest, highest = np.minimum.reduceat(offset, starts), np.maximum.reduceat(offset, starts)
            for start, low, high in zip(starts.tolist(), lowest.tolist(), highest.tolist(), strict=True):
                partition = partitions[code[start]]
                first[partition] = min(first.get(partition, low), low)
                reached[partition] = max(reached.get(partition, 0), high + 1)
        without = self.without + len(codes) - len(has_position)
        return Positions(first, reached, self.ascending and bool(rising.all()), without)

    @property
    def offsets(self) -> int:
        """How many offsets lie between the first and the last of each partition."""
        return sum(end - self.first[partition] for partition, end in self.next.items())

    def joined(self, other: Positions) -> Positions:
        """Of this log and one that follows it."""
        first, reached = dict(self.first), dict(self.next)
        ascending = self.ascending and other.ascending
        for partition, offset in other.next.items():
            lowest = other.first[partition]
            ascending = ascending and lowest >= reached.get(partition, 0)
            first[partition] = min(first.get(partition, lowest), lowest)
            reached[partition] = max(reached.get(partition, 0), offset)
        return Positions(first, reached, ascending, self.without + other.without)

    def about(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "partitions": [
                [topic, partition, self.first[topic, partition], offset]
                for (topic, partition), offset in sorted(self.next.items())
            ],
            "ascending": self.ascending,
            "without": self.without,
        }

    @classmethod
    def of_about(cls, about: Mapping[str, Any]) -> Positions:
        """What `about` gave."""
        first, reached = {}, {}
        for topic, partition, low, offset in about["partitions"]:
            first[str(topic), int(partition)] = int(low)
            reached[str(topic), int(partition)] = int(offset)
        return cls(first, reached, bool(about["ascending"]), int(about["without"]))


def whole_numbers(texts: Sequence[str], codes: I32) -> tuple[I64, Bool]:
    """(B,) int64 of coded decimal texts, and (B,) whether a row has one that is 0 or more."""
    values = np.full(len(texts) + 1, -1, np.int64)
    for row, text in enumerate(texts):
        if text.isascii() and text.isdigit() and len(text) <= 18:
            values[row] = int(text)
    found = values[codes]
    return found, found >= 0
