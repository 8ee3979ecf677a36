"""Which failures may be single events' own fault."""

from __future__ import annotations

from encoders.errors import EncoderError
from sinks.errors import PointRefused, StoreError
from streams.errors import StreamsError
from streams.events.event import RejectReason
from streams.worker.bisect import TooManyFailures


def is_poison(error: Exception) -> bool:
    """Whether an error may be the fault of single events, rather than of the store, the model or the machine."""
    if isinstance(error, PointRefused):
        return True
    return not isinstance(
        error, StoreError | EncoderError | StreamsError | OSError | MemoryError | TooManyFailures
    )


def failure_reason(error: Exception) -> tuple[RejectReason, str]:
    """Why an event is rejected whose processing fails with this error.

    >>> failure_reason(ZeroDivisionError("of ada"))
    ('processing_failed', 'processing fails with ZeroDivisionError')
    """
    # By its kind only: the text of an unexpected error may quote the event.
    return "processing_failed", f"processing fails with {type(error).__name__}"
