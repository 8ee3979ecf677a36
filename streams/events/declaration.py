"""Records of the profiles topic, and rows of files of them -> what users declare of themselves. No I/O, no clock.

A text is of the scenario that its record names, or of all scenarios. A record without a text takes back that scenario's; if it
names none, and so does a tombstone that is keyed by the user id, everything that the user ever declared. A record's time is its
own `timestamp`, else when it was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from streams.events.event import (
    MAX_SCENARIO_BYTES,
    MAX_USER_ID_BYTES,
    Reject,
    RejectReason,
    TimeLimits,
    fits,
    is_blank,
    reject_timestamp,
)
from streams.events.ids import id_text, wrong_id
from streams.events.json_errors import undecodable
from streams.events.times import EXPECTED, seconds_of
from transfer.arrays import F64
from transfer.state.declared import MOST_CHARS, Declaration

FIELDS: Final = ("user_id", "interests", "scenario", "language", "timestamp")
MAX_LANGUAGE_CHARS: Final = 35
"""As long as a language tag has to be able to be (RFC 5646)."""
_ABSENT: Final = object()


class UserDeclaration(NamedTuple):
    """Who says what."""

    user_id: str
    said: Declaration


class DeclarationRefused(Exception):
    """The record is no declaration. why: reason and detail."""

    def __init__(self, *why: str) -> None:
        super().__init__(*why)
        self.why: tuple[RejectReason, str] = why  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class DecodedDeclarations:
    """The declarations of a batch, the position of each, and the records that are none."""

    declarations: list[UserDeclaration]
    positions: list[int]
    rejects: list[Reject]


class _Key(msgspec.Struct):
    user_id: str
    scenario: str = ""


_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_key = msgspec.json.Decoder(_Key | str).decode


def decode_declarations(
    values: Sequence[bytes | Mapping[str, Any] | None],
    *,
    keys: Sequence[bytes | None],
    written: Sequence[float | None],
    now: float | F64,
    limits: TimeLimits | None = None,
) -> DecodedDeclarations:
    """Decode records of one partition, or rows of a file.

    Args:
        values: JSON objects in UTF-8, or rows by the names of `FIELDS`; None: a tombstone of whom its key names.
        written: unix seconds of each record, for those without a time of their own.
        now: unix seconds, for all records or (N,) for each.

    >>> decode_declarations([b'{"user_id": "ada", "interests": "jazz"}'], keys=[b"ada"], written=[5.0], now=9.0).declarations
    [UserDeclaration(user_id='ada', said=Declaration(time=5.0, scenario='', text='jazz', language='', withdrawn=False))]
    """
    decoded = DecodedDeclarations([], [], [])
    present = np.broadcast_to(np.asarray(now, np.float64), len(values)).tolist()
    for position, (value, key, at) in enumerate(zip(values, keys, written, strict=True)):
        try:
            record = _of_key(key) if value is None else value
            found = _declaration(_decode_object(record) if isinstance(record, bytes) else record, at)
            why = reject_timestamp(found.said.time, present[position], limits or TimeLimits())
        except DeclarationRefused as error:
            why = error.why
        except Exception as error:
            why = undecodable(error, value if isinstance(value, bytes) else b"?")
        if why is None:
            decoded.declarations.append(found)
            decoded.positions.append(position)
        else:
            decoded.rejects.append(Reject(position, *why))
    return decoded


def _of_key(key: bytes | None) -> dict[str, Any]:
    """The record that a tombstone stands for: nothing any longer. A key is the user id, or JSON: that, or an object with
    user_id and scenario."""
    if not key:
        raise DeclarationRefused("empty_user_id", "a record without a value names its user by its key")
    found: _Key | str
    try:
        found = _decode_key(key) if key[:1] in b'{"' else str(key, "utf-8")
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            found = str(key, "utf-8")
        except UnicodeDecodeError:
            raise DeclarationRefused("unreadable_key", "the key is not UTF-8") from None
    if isinstance(found, str):
        return {"user_id": found, "interests": None}
    return {"user_id": found.user_id, "scenario": found.scenario, "interests": None}


def _declaration(record: Mapping[str, Any], written: float | None) -> UserDeclaration:
    user_id = _text(record, "user_id", required=True)
    if is_blank(user_id):
        raise DeclarationRefused("empty_user_id", "user_id is empty")
    if not fits(user_id, MAX_USER_ID_BYTES):
        raise DeclarationRefused("user_id_too_long", f"user_id has more than {MAX_USER_ID_BYTES} bytes")
    scenario = _text(record, "scenario").strip()
    if not fits(scenario, MAX_SCENARIO_BYTES):
        raise DeclarationRefused("scenario_too_long", f"scenario has more than {MAX_SCENARIO_BYTES} bytes")
    language = _text(record, "language").strip()
    if len(language) > MAX_LANGUAGE_CHARS:
        raise DeclarationRefused("wrong_type", f"language has more than {MAX_LANGUAGE_CHARS} characters")
    text = _text(record, "interests", required=True, words=True).strip()[:MOST_CHARS].strip()
    time = _time(record.get("timestamp"), written)
    said = Declaration(time, scenario, text, language if text else "", withdrawn=not text and not scenario)
    return UserDeclaration(user_id, said)


def _text(record: Mapping[str, Any], name: str, required: bool = False, words: bool = False) -> str:
    """words: of text alone, where a number is none."""
    value = record.get(name, _ABSENT)
    if value is _ABSENT:
        if required:
            raise DeclarationRefused("missing_field", f"Object missing required field `{name}`")
        return ""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    text = id_text(value)
    if text is None or (words and not isinstance(value, str | bytes)):
        if words:
            raise DeclarationRefused("wrong_type", f"{name}: expected a text")
        raise DeclarationRefused(*wrong_id(name, value))
    return text


def _time(value: Any, written: float | None) -> float:
    if value is None or value == "":
        if written is None:
            raise DeclarationRefused("missing_field", "timestamp is missing or null")
        return written
    time = seconds_of(value, "auto")
    if time is None:
        raise DeclarationRefused("wrong_type", f"timestamp: expected {EXPECTED['auto']}")
    return time
