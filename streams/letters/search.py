"""Finds letters in the dead-letter topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from streams.broker.config import BrokerConfig
from streams.broker.topic_scan import Ends, scan_topic
from streams.letters.letter import StoredLetter, read_letter


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; what is None does not matter."""

    topic: str | None = None
    """the record's"""
    reason: str | None = None
    since: float | None = None
    until: float | None = None
    """`since` and `until`: unix seconds of the letter itself, until exclusive"""
    letters: frozenset[tuple[int, int]] | None = None
    """(partition, offset) of the letters"""

    def takes(self, letter: StoredLetter) -> bool:
        """Whether a letter is meant."""
        at = letter.timestamp_ms / 1000
        return (
            (self.topic is None or letter.source_topic == self.topic)
            and (self.reason is None or letter.reason == self.reason)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
            and (self.letters is None or (letter.partition, letter.offset) in self.letters)
        )


def find_letters(
    broker: BrokerConfig,
    topic: str,
    wanted: LetterFilter,
    on_letter: Callable[[StoredLetter], None],
    starts: Mapping[int, int] = MappingProxyType({}),
) -> Ends:
    """Hand over the letters that are meant; those of one partition in order. Records that are no letters are passed over.

    Raises:
        BrokerUnavailable, BrokerError: see `scan_topic`.
    """

    def take(records: Sequence[Any]) -> None:
        for record in records:
            try:
                letter = read_letter(
                    record.partition,
                    record.offset,
                    record.timestamp,
                    record.key,
                    record.value,
                    record.headers,
                )
            except ValueError:
                continue
            if letter.reason and wanted.takes(letter):
                on_letter(letter)

    return scan_topic(broker, topic, take, starts=starts)
