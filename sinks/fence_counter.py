"""The counter that fencing tokens come from: one number in a store, raised by comparing and setting."""

from __future__ import annotations

import random
import time

import numpy as np

from sinks.collection import Collection, PointBatch, Where
from sinks.errors import StoreMismatch, StoreUnavailable
from sinks.points import named_id

_COUNTER = named_id("fence counter")
_MOST_TRIES = 50
_LONGEST_WAIT_S = 0.2


class FenceCounter:
    """A number in the meta collection that never falls, whoever raises it."""

    def __init__(self, meta: Collection) -> None:
        self._meta = meta

    def draw(self, owner: str, floor: int = 0) -> int:
        """A number that nobody was given before and that is higher than all given so far, and than `floor`.

        `owner` is a text that no other draw at the same time has: it tells whose the number is when several
        raise the counter to the same one.

        Raises:
            StoreUnavailable: no answer, or others were faster each time.
        """
        for attempt in range(_MOST_TRIES):
            if attempt:
                # Others draw too: by waiting for times that differ, they get out of each other's way.
                time.sleep(random.uniform(0, min(_LONGEST_WAIT_S, 0.002 * 2**attempt)))
            there, _ = self._read()
            token = max(there, floor) + 1
            batch = PointBatch([_COUNTER], {}, [{"fence": token, "owner": owner}], np.array([80], np.int64))
            # Refused, in silence, if the counter has moved since it was read.
            self._meta.upsert(batch, where=Where(at_most={"fence": there}))
            if self._read() == (token, owner):
                return token
        raise StoreUnavailable(f"others kept drawing fencing tokens; tried {_MOST_TRIES} times")

    def _read(self) -> tuple[int, str]:
        found = self._meta.retrieve([_COUNTER], with_vectors=False)
        if not found:
            return 0, ""
        try:
            return int(found[0].payload["fence"]), str(found[0].payload["owner"])
        except (KeyError, TypeError, ValueError) as error:
            raise StoreMismatch(
                f"the counter of fencing tokens in {self._meta.name} cannot be read; restore it from a backup"
            ) from error
