"""Why a partition can't be read: the topic, and what is missing."""

from __future__ import annotations

from aiokafka import errors
from faust.types import TP


def why_unreadable(tp: TP, error: Exception) -> str:
    """For /ready and the last line of a daemon.

    >>> why_unreadable(TP("clicks", 3), errors.TopicAuthorizationFailedError("clicks"))
    'no permission to read topic clicks: grant this user the operation Read on it (the daemon needs Describe too)'
    """
    if isinstance(error, errors.TopicAuthorizationFailedError):
        return (
            f"no permission to read topic {tp.topic}: grant this user the operation Read on it "
            "(the daemon needs Describe too)"
        )
    if isinstance(error, errors.CorruptRecordException):
        return (
            f"partition {tp.topic}/{tp.partition} holds a damaged batch ({error}); it is read again every second. If this "
            "lasts, the broker's log is damaged: delete records up to there, or let another replica lead"
        )
    return f"partition {tp.topic}/{tp.partition} can't be read: {type(error).__name__}: {error}"
