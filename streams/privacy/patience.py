"""A change to users that is tried again while the store is away, and on the new version after a switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import stamina

from sinks.errors import StoreMoved, StoreUnavailable

Result = TypeVar("Result")
GIVE_UP_S: Final = 120.0


def patiently(call: Callable[[], Result]) -> Result:
    """Call, which opens the store each time, until it is answered.

    Raises:
        StoreUnavailable: for longer than `GIVE_UP_S`.
    """
    for attempt in stamina.retry_context(
        on=(StoreUnavailable, StoreMoved), attempts=None, timeout=GIVE_UP_S, wait_initial=0.2, wait_max=5.0
    ):
        with attempt:
            result = call()
    return result
