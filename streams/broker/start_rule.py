"""Where to begin with a source that the store does not know: `--from earliest | latest | group | TIME`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from streams.errors import SettingsError

StartKind = Literal["earliest", "latest", "group", "time"]


@dataclass(frozen=True, slots=True)
class StartRule:
    """kind, and the time in unix seconds where it is a time. `said`: it was chosen, it is not the default."""

    kind: StartKind = "earliest"
    time_s: float = 0.0
    said: bool = False

    @classmethod
    def parse(cls, text: str) -> StartRule:
        """From what a flag or a setting says; "" is the default.

        A time is ISO 8601 (without an offset: UTC) or unix seconds; a record belongs to it by its Kafka timestamp.

        >>> StartRule.parse("latest").kind, StartRule.parse("").said
        ('latest', False)
        >>> StartRule.parse("2026-11-01T10:00:00Z").time_s == StartRule.parse("1793527200").time_s
        True

        Raises:
            ValueError: none of them.
        """
        text = text.strip()
        if not text:
            return cls()
        match text.lower():
            case "earliest" | "latest" | "group" as kind:
                return cls(kind, said=True)
        return cls("time", _unix(text), said=True)


def moment(text: str) -> float:
    """Unix seconds of a time that a flag says: ISO 8601 (without an offset: UTC) or unix seconds.

    >>> moment("2026-11-01T10:00:00Z")
    1793527200.0

    Raises:
        SettingsError: it is none.
    """
    try:
        rule = StartRule.parse(text)
        if rule.kind == "time":
            return rule.time_s
    except ValueError:
        pass
    raise SettingsError(f"{text!r} is not a time: give 2026-11-01T10:00:00Z, or unix seconds")


def _unix(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is not a start: earliest, latest, group, or a time (2026-11-01T10:00:00Z, or unix seconds)"
            ) from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds) or not 0 <= seconds < 1e11:
        raise ValueError(f"{text!r} is not a time in unix seconds; milliseconds are not taken")
    return seconds
