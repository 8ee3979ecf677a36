"""Events -> records in the form that a description reads: the inverse of `streams.events.description`, for JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from streams.errors import SettingsError
from streams.events.action_map import ActionMap
from streams.events.description import RECORD_TIME, EventDescription
from streams.events.encode import Record, event_record
from streams.events.event import Event
from streams.events.events_config import REST, EventsConfig
from streams.events.ids import id_text
from streams.events.paths import BESIDE, Path, parse_path
from streams.events.times import TimeForm
from transfer.weigh import MEASURES

_KEY: Final = "@key"
_FIELDS: Final = ("user_id", "timestamp", "scenario", "item_id", "text", "event_id", *MEASURES)
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a field is written, or what it has to be. in_key: in the record's key, at `path`, or as the whole of it."""

    field: str
    path: Path = ()
    in_key: bool = False
    constant: str | None = None


class EventWriter:
    """Writes events of one action as a topic's records.

    Args:
        description: how the topic is read.
        action: of the events; ours.
        topic_says: the topic says it, so that records don't have to.
        record_times: records carry the times of their events.

    Raises:
        SettingsError: the description reads what can't be written, or knows no name of the action; says which key.
    """

    def __init__(
        self, description: EventDescription, action: str, *, topic_says: bool, record_times: bool = False
    ) -> None:
        config = description.config
        _require_json(config)
        self._form: TimeForm = config.time
        self._action: tuple[Path, str] | None = None
        self._places = [
            place
            for name in _FIELDS
            if name in description.sources or config.source(name).constant is not None
            for place in [_place(config, name, record_times)]
            if place is not None
        ]
        if config.time == "position":
            raise SettingsError(
                'time = "position": records have no times of their own, so none can be written'
            )
        if not topic_says:
            self._action = _action_place(config, description.actions, action)
        self._is_plain = (
            self._action is None
            and all(
                place.path == (place.field,) and not place.in_key and place.constant is None
                for place in self._places
            )
            and self._form in ("s", "auto")
        )

    def record(self, event: Event) -> Record:
        """Key and value; the key is the user id where the description reads nothing else there.

        Raises:
            SettingsError: the event has no such form; says why, and quotes nothing.
        """
        if self._is_plain:
            return event_record(event)
        value: dict[str, Any] = {}
        keys: dict[str, Any] = {}
        key = event.user_id.encode()
        for place in self._places:
            found = getattr(event, place.field)
            if place.constant is not None:
                if found != place.constant:
                    raise SettingsError(
                        f"events.{place.field} is a constant of the topic's description, and the events have others"
                    )
                continue
            if found is None:
                continue
            if place.field == "timestamp":
                found = time_written(found, self._form)
            if not place.in_key:
                _put(value, place.path, found)
            elif place.path:
                _put(keys, place.path, found)
            else:
                key = str(found).encode()
        if self._action is not None:
            _put(value, *self._action)
        return (_encode(keys) if keys else key), _encode(value)


def time_written(seconds: float, form: TimeForm) -> float | int | str:
    """What is read as these unix seconds.

    >>> time_written(1793527200.25, "ms"), time_written(1793527200.25, "iso")
    (1793527200250, '2026-11-01T10:00:00.250000+00:00')

    Raises:
        SettingsError: the form has no such times: a day has no hour.
    """
    fraction, whole = math.modf(seconds)
    per_second = {"ms": 10**3, "us": 10**6, "ns": 10**9}.get(form)
    if per_second is not None:
        exact = fraction * per_second
        ticks = int(whole) * per_second + round(exact)
        return ticks if abs(exact - round(exact)) < 1e-3 or form == "ns" else int(whole) * per_second + exact
    if form in ("s", "auto"):
        return seconds
    if form == "iso":
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    unit = {"minutes": 60, "hours": 3600, "days": 86400}.get(form)
    if unit is not None:
        return seconds / unit
    if form == "yyyymmdd" and seconds % 86400 == 0:
        return int(datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d"))
    raise SettingsError(f"time = {form!r}: an event of this time has no such form")


def _require_json(config: EventsConfig) -> None:
    if config.format != "json":
        raise SettingsError(
            f"format = {config.format!r}: such records are read, not written; write JSON to a topic of its own"
        )
    if config.envelope != "none":
        raise SettingsError(
            f"envelope = {config.envelope!r}: such records are read, not written; write to a topic of its own"
        )


def _place(config: EventsConfig, name: str, record_times: bool) -> _Place | None:
    source = config.source(name)
    if source.constant is not None:
        return _Place(name, constant=id_text(source.constant))
    path = str(source.path)
    if path == _KEY:
        return _Place(name, in_key=True)
    if path.startswith(f"{_KEY}."):
        return _Place(name, parse_path(path.removeprefix(f"{_KEY}.")), in_key=True)
    if path == RECORD_TIME and record_times:
        return None
    if path.startswith(BESIDE):
        hint = "; with --record-time event the record carries it" if path == RECORD_TIME else ""
        raise SettingsError(f"events.{name} = {path!r} stands beside a record, and can't be written{hint}")
    return _Place(name, parse_path(path))


def _action_place(config: EventsConfig, actions: ActionMap, action: str) -> tuple[Path, str] | None:
    """Where the action is written, and by which name."""
    source, code = config.source("action"), actions.code
    wanted = actions.actions.index(action)
    names = [name for name in config.actions if name != REST and code(name) == wanted]
    names += [action] if code(action) == wanted else []
    if source.constant is not None:
        if code(id_text(source.constant) or "") == wanted:
            return None
        raise SettingsError(f"events.action is a constant, and means another action than {action!r}")
    if not names:
        raise SettingsError(f"events.actions has no name for {action!r}, so it can't be written")
    path = str(source.path)
    if path.startswith(BESIDE):
        raise SettingsError(f"events.action = {path!r} stands beside a record, and can't be written")
    return parse_path(path), names[0]


def _put(record: dict[str, Any], path: Path, value: Any) -> None:
    for key in path[:-1]:
        record = record.setdefault(key, {})
    record[path[-1]] = value
