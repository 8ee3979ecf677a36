"""What a flush needs that may be away for a while: it is waited for, and no record is to blame."""

from __future__ import annotations

from typing import Final

from sinks.errors import StoreUnavailable
from streams.errors import RegistryUnavailable

AWAY: Final = (StoreUnavailable, RegistryUnavailable)


def who_is_away(error: Exception) -> str:
    """As one says it."""
    return "Schema Registry" if isinstance(error, RegistryUnavailable) else "store"


def backoff(error: Exception) -> bool | float:
    """Whether to try again, and after how many seconds where the store says."""
    if isinstance(error, StoreUnavailable) and error.retry_after_s is not None:
        return min(error.retry_after_s, 30.0)
    return isinstance(error, AWAY)
