"""What can go wrong with a store, and who should do what about it."""

from __future__ import annotations


class StoreError(Exception):
    """The store refused or failed; trying the same again will not help."""


class StoreUnavailable(StoreError):
    """The store cannot answer now. Retryable: nothing was acknowledged, so write the same points again.

    `retry_after_s` is what the store asked for, where it did.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ReplicasDiffer(StoreUnavailable):
    """The replicas of a cluster hold different versions of a point, and not for a moment only."""


class LeaseLost(StoreError):
    """Another process holds the place now. What it did not acknowledge is not there, or not for long; take another place
    and write it there."""


class FillerReplaced(StoreError):
    """Another run fills the same version of the vectors now; leave it to that one, or stop that one and begin again."""


class StoreMismatch(StoreError):
    """What exists does not fit the settings (version, dimensions, vector names, hidden points)."""


class ActionsDiffer(StoreMismatch):
    """An action has another weight than events in the store were counted with, another spelling, or no code left for it."""


class StoreMoved(StoreMismatch):
    """Another version of the vectors is live than the one that was opened. What was written since is not part of it;
    open the store again, with the settings that it was made with."""


class FreezeLost(StoreError):
    """Writers continued during a switch between versions, so it did not happen; copy what they wrote and try again."""


class StoreLocked(StoreError):
    """Another process holds the folder. `pid` names it where that is known."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class StoreNotFound(StoreError):
    """There is no store at the location."""


class PointRefused(StoreError, ValueError):
    """A point that must not reach the engine (NaN, zero vector, wrong dimensions); nothing was written."""


class PointUnreadable(StoreError):
    """A point that is there and can't be understood; the others are not concerned."""
