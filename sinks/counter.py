"""Numbers that are given once: a counter in a store, raised by comparing and setting."""

from __future__ import annotations

import random
import time

import numpy as np

from sinks.collection import Collection, PointBatch, Where
from sinks.errors import StoreMismatch, StoreUnavailable
from sinks.points import named_id

RETIRED = named_id("fence counter")
"""The counter of releases that wrote users under fencing tokens."""
_MOST_TRIES = 50
_LONGEST_WAIT_S = 0.2


class Counter:
    """A number in the meta collection that never falls, whichever process raises it."""

    def __init__(self, meta: Collection, key: str) -> None:
        self._meta = meta
        self._key = key

    def draw(self, owner: str, floor: int = 0, count: int = 1) -> int:
        """The first of `count` numbers that was never given before, higher than all given so far, and than `floor`.

        `owner` is a text that no other draw at the same time has: it tells whose the number is when several
        raise the counter to the same one.

        Raises:
            StoreUnavailable: no answer, or others were faster each time.
        """
        for attempt in range(_MOST_TRIES):
            if attempt:
                # Others draw too: by waiting for times that differ, they get out of each other's way.
                time.sleep(random.uniform(0, min(_LONGEST_WAIT_S, 0.002 * 2**attempt)))
            value, _ = self._read()
            first = max(value, floor) + 1
            last = first + count - 1
            batch = PointBatch([self._key], {}, [{"fence": last, "owner": owner}], np.array([80], np.int64))
            # Refused silently if the counter has moved since it was read.
            self._meta.upsert(batch, where=Where(at_most={"fence": value}))
            if self._read() == (last, owner):
                return first
        raise StoreUnavailable(
            f"other processes kept drawing numbers from {self._meta.name}; tried {_MOST_TRIES} times"
        )

    def _read(self) -> tuple[int, str]:
        found = self._meta.retrieve([self._key], with_vectors=False)
        if not found:
            return 0, ""
        try:
            return int(found[0].payload["fence"]), str(found[0].payload["owner"])
        except (KeyError, TypeError, ValueError) as error:
            raise StoreMismatch(
                f"a counter in {self._meta.name} cannot be read; restore it from a backup"
            ) from error
