"""Which users of a flush have a point or a state that can't be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sinks.errors import PointUnreadable
from streams.errors import DaemonError
from streams.events.event import RejectReason
from streams.letters.letter import PARKED
from streams.worker.bisect import bisect_failures
from transfer.errors import StateFormatError, StateSettingsMismatch, StateTooNew

PARKED_WHY: Final[tuple[RejectReason, str]] = (
    PARKED,
    "its user's state can't be read; driftline repair repairs it",
)


def is_unreadable(error: Exception) -> bool:
    """Whether a user in the store is at fault: no event, and not the store as a whole."""
    return isinstance(error, PointUnreadable | StateFormatError)


def refuse_other_release(error: Exception) -> None:
    """End where states are whole, but of a later release or made with other settings: no user is damaged, this program or
    its settings are the wrong ones.

    Raises:
        DaemonError: says so, and that nothing was rejected.
    """
    if isinstance(error, StateTooNew):
        raise DaemonError(
            f"the store holds states of a newer release ({error}). Start that release: this one must not touch them. "
            "Nothing was rejected, and what was not committed is read again"
        ) from error
    if isinstance(error, StateSettingsMismatch):
        raise DaemonError(
            f"the store holds states that were made with other settings ({error}). Nothing was rejected"
        ) from error


def unreadable_users(
    users: Sequence[str], attempt: Callable[[Sequence[str]], object]
) -> list[tuple[str, Exception]]:
    """Those of the users that can't be read, each with what reading it raises.

    attempt: reads these users and their states, and raises where one can't be understood.

    Raises:
        DaemonError: as `refuse_other_release`.
    """

    def try_some(start: int, stop: int) -> None:
        try:
            attempt(users[start:stop])
        except StateFormatError as error:
            refuse_other_release(error)
            raise

    found = bisect_failures(len(users), try_some, most=len(users), is_theirs=is_unreadable)
    return [(users[at], error) for at, error in found]
