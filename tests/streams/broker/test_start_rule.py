"""What `--from` takes."""

from __future__ import annotations

import pytest

from streams.broker.start_rule import StartRule
from streams.errors import SettingsError
from streams.settings import Settings


@pytest.mark.parametrize(
    "text", ["2026-11-01T10:00:00Z", "2026-11-01 10:00:00", "2026-11-01T11:00:00+01:00", "1793527200"]
)
def test_a_time_is_iso_or_unix_seconds(text: str) -> None:
    """The same moment, however it is written; without an offset it is UTC."""
    assert StartRule.parse(text) == StartRule("time", 1793527200.0, said=True)


def test_the_default_is_earliest_and_nobody_said_so() -> None:
    """`earliest` that somebody chose is told from the default: only the default may be refused."""
    assert StartRule.parse("") == StartRule("earliest")
    assert StartRule.parse("Earliest") == StartRule("earliest", said=True)


@pytest.mark.parametrize("text", ["yesterday", "1793527200000", "-5", "nan", "2026-13-01"])
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    """Milliseconds too, which would be a time far ahead: nothing would ever be read."""
    with pytest.raises(ValueError, match=r"not a start|not a time in unix seconds"):
        StartRule.parse(text)
    with pytest.raises(SettingsError, match=r"daemon\.start_from"):
        Settings.load(flags={"daemon": {"start_from": text}})
