"""Errors of the shell: few, and each says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class StreamsError(Exception):
    """Base of this package's errors; its text is for the person who ran the command."""


class SettingsError(StreamsError):
    """A setting is unknown, wrong or missing."""


class OutputError(StreamsError):
    """A file or folder can't be written; the text names it."""


class MissingExtra(StreamsError):
    """An optional dependency is not installed; the text names the extra."""


class BrokerUnavailable(StreamsError):
    """The broker did not answer. Retryable."""


class BrokerError(StreamsError):
    """The broker answered and refused: topics, credentials, a record it won't take."""


class RegistryUnavailable(StreamsError):
    """The Schema Registry did not say. Retryable; no record is to blame."""


class LogError(StreamsError):
    """A log or catalogue file that can't be read; the text names the file, and the column or line."""


class MappingError(LogError):
    """A `--map` text that can't be understood."""


class CatalogueRefused(StreamsError):
    """A catalogue that would take away what nobody agreed to lose; nothing was written."""


class DaemonError(StreamsError):
    """The daemon can't continue; the text says why."""


class ShutdownDeadline(DaemonError):
    """The stop took too long; the process has to be ended."""


class UserNotFound(StreamsError):
    """Nothing is known of this user."""


class LaneLost(StreamsError):
    """The partition is another worker's now, or is read again from the committed offset; what is in hand is dropped."""


class EvaluationError(StreamsError):
    """Methods can't be judged on this log, or a method can't be built; the text says why."""


class TrainingError(StreamsError):
    """A log that nothing can be learned from, or settings that don't fit it; the text says what to do."""


class UnreadableBatch(StreamsError):
    """A batch of Kafka records that can't be unpacked; the text says why, and where it was, if that is known."""


def settings_that_differ(
    section: str, stored: Mapping[str, Any], wanted: Mapping[str, Any], keys: Iterable[str]
) -> str:
    """How settings in a store differ from those at hand; "" where they are the same.

    >>> settings_that_differ("interest", {"dim": 64, "ring": 8}, {"dim": 128, "ring": 8}, ("dim", "ring"))
    'interest.dim is 64 in the store and 128 in the settings'
    """
    return "; ".join(
        f"{section}.{key} is {stored[key]} in the store and {wanted[key]} in the settings"
        for key in keys
        if stored[key] != wanted[key]
    )
