"""By which partition numbers a process has met a user: by one, if its events are placed well."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.events.columns import EventColumns

NO_PARTITION = -1
"""Not seen on a partition yet."""
SEVERAL_PARTITIONS = -2
"""Seen under more than one partition number."""


def partitions_seen(columns: EventColumns, partitions: Mapping[str, int]) -> list[int]:
    """Of each user of the columns the partition number that its events came by. partitions: of each source."""
    numbers = np.array([partitions.get(name, NO_PARTITION) for name in columns.sources], np.int64)
    if not len(numbers) or (numbers == numbers[0]).all():
        return [int(numbers[0])] * len(columns.users) if len(numbers) else []
    low = np.full(len(columns.users), np.iinfo(np.int64).max)
    high = np.full(len(columns.users), -1)
    np.minimum.at(low, columns.user, numbers[columns.source])
    np.maximum.at(high, columns.user, numbers[columns.source])
    seen: list[int] = np.where(low == high, low, SEVERAL_PARTITIONS).tolist()
    return seen


def join_partitions(before: int, now: int) -> int:
    """The partition number of a user that was seen under both."""
    if NO_PARTITION in (before, now):
        return max(before, now) if SEVERAL_PARTITIONS not in (before, now) else SEVERAL_PARTITIONS
    return now if before == now else SEVERAL_PARTITIONS
