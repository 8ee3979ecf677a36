"""EventDescription: `[events]` made ready, the one object by which bytes, objects and rows of files become events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np

from streams.errors import SettingsError
from streams.events.action_map import IGNORED_ACTION, UNKNOWN_ACTION, ActionMap
from streams.events.columns import Coded
from streams.events.event import MAX_FUTURE_S, RejectReason, TimeLimits
from streams.events.events_config import ID_FIELDS, EventsConfig
from streams.events.ids import RowRejects, coded_texts, id_text
from streams.events.paths import BESIDE, OUTSIDE, Path, parse_path
from streams.events.record_fields import EMPTY_IS_NONE, RecordFields
from streams.events.record_reader import RecordReader, RecordValue
from streams.events.times import column_seconds
from streams.events.validate import RawEvents
from streams.events.weights import event_weights
from transfer.arrays import F64, I64, U8
from transfer.codes import NONE
from transfer.config import ACTIONS
from transfer.weigh import MEASURES, Weigh

Beside = Mapping[str, Sequence[str | float | None]]
"""By path that begins with @: one value a record. `@timestamp` is in unix seconds."""

REQUIRED: Final = ("user_id", "timestamp", "scenario")
# In the order in which records have them: msgspec looks for the next key from the last one on.
FIELDS: Final = ("user_id", "timestamp", "scenario", "item_id", "text", "event_id", "action", *MEASURES)
RECORD_TIME: Final = "@timestamp"


def _is_beside(path: str) -> bool:
    return path.startswith(BESIDE) and not path.startswith(OUTSIDE)


@dataclass(frozen=True)
class EventDescription:
    """How records say what events they are.

    Raises:
        SettingsError: an action is mapped to none of `action_names`, or paths contradict each other.
    """

    config: EventsConfig = field(default_factory=EventsConfig)
    action_names: tuple[str, ...] = ACTIONS
    """by code: `InterestConfig.action_names` in force"""
    max_future_s: float = MAX_FUTURE_S
    """how far ahead of the present an event may be"""
    measures: tuple[str, ...] = ()
    """those of `MEASURES` that are read"""
    weigh: Mapping[str, Weigh] = field(default_factory=dict)
    """by action, what its events weigh by: `InterestConfig.weigh`"""
    prefix: Path = ()
    """where in a record its payload stands, an envelope's"""
    root: Path = ()
    """where in a record the envelope itself stands"""
    further: Mapping[str, Path] = field(default_factory=dict)
    """other texts that are read, by a name of the caller's: whole paths, whatever `prefix` is"""
    elsewhere: tuple[str, ...] = ()
    """fields that the caller reads"""

    def __post_init__(self) -> None:
        _ = self.reader, self.actions, self.default_action

    def under(self, prefix: str, further: Mapping[str, str] | None = None) -> EventDescription:
        """The same events inside an envelope.

        Args:
            prefix: path of the payload, "" for the record itself.
            further: name -> path of other texts of the record, found in `RecordFields.texts`.
        """
        under = replace(self, prefix=parse_path(prefix) if prefix else ())
        return under.with_further(further or {})

    def with_further(self, further: Mapping[str, str]) -> EventDescription:
        """The same, with other texts of the record read, too: name -> path, found in `RecordFields.texts`."""
        paths = {name: parse_path(path) for name, path in further.items()}
        return replace(self, further={**self.further, **paths}) if paths else self

    def without(self, fields: Iterable[str]) -> EventDescription:
        """The same, but that the caller reads these fields; they count as there."""
        fields = tuple(fields)
        return replace(self, elsewhere=(*self.elsewhere, *fields)) if fields else self

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """Field -> its path's text, of the fields that are read at all."""
        found = {name: self.config.source(name).path for name in FIELDS if name in self._read}
        return {name: path for name, path in found.items() if path is not None}

    @cached_property
    def _read(self) -> set[str]:
        clockless = {"timestamp"} if self.config.time == "position" else set()
        return {*FIELDS} - ({*MEASURES} - {*self.measures}) - clockless - {*self.elsewhere}

    @cached_property
    def beside(self) -> Mapping[str, str]:
        """Field -> path, of those whose values stand beside the record."""
        return {name: path for name, path in self.sources.items() if _is_beside(path)}

    @cached_property
    def defaults(self) -> Mapping[str, str]:
        """Field -> text of the records that have none; of a constant, of all."""
        found = {}
        for name in ID_FIELDS:
            source = self.config.source(name)
            value = source.default if source.constant is None else source.constant
            if value is not None:
                found[name] = id_text(value) or ""
        return found

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Fields that each record has to have."""
        return tuple(name for name in REQUIRED if name in self.sources and name not in self.defaults)

    @cached_property
    def actions(self) -> ActionMap:
        """What the data calls actions -> codes."""
        return ActionMap(self.config.actions, self.action_names)

    def action_code(self, action: str | None) -> int | None:
        """Code of one of our actions; None for none."""
        return None if action is None else self.action_names.index(action)

    @cached_property
    def default_action(self) -> int:
        """Code of the records that name no action."""
        if "action" not in self.defaults:
            return UNKNOWN_ACTION
        code = self.actions.code(self.defaults["action"])
        if code == UNKNOWN_ACTION:
            raise SettingsError(
                f"events.action: {self.defaults['action'][:40]!r} is no action; actions are {', '.join(self.action_names)}"
            )
        return code

    @cached_property
    def limits(self) -> TimeLimits:
        """What times are judged by."""
        return TimeLimits(self.config.earliest_s, self.max_future_s, self.config.time)

    @cached_property
    def reader(self) -> RecordReader:
        """Reads records' own fields."""
        paths = {
            name: (*self.root, *parse_path(path.removeprefix(OUTSIDE)))
            if path.startswith(OUTSIDE)
            else (*self.prefix, *parse_path(path))
            for name, path in self.sources.items()
            if name not in self.beside
        }
        return RecordReader({**paths, **self.further}, self.required, self.config.time)

    def read(self, values: Sequence[RecordValue], beside: Beside | None = None) -> RecordFields:
        """The fields of each record as it has them.

        Raises:
            SettingsError: `beside` lacks a path that the description names.
        """
        read = self.reader.read(values)
        if not self.beside:
            return read
        rejects: RowRejects = dict(read.rejects)
        texts, measures = dict(read.texts), dict(read.measures)
        event_ids, time = read.event_ids, read.time
        for name, path in self.beside.items():
            if beside is None or path not in beside:
                raise SettingsError(
                    f"events.{name}: there is no {path} here; only records of a topic have one"
                )
            column = list(beside[path])
            if name == "timestamp":
                time = _beside_seconds(column, path, self, rejects)
            elif name in MEASURES:
                measures[name] = np.array(
                    [np.nan if value is None else value for value in column], np.float64
                )
            else:
                texts[name] = coded_texts(column, path, rejects, empty_is_none=name in EMPTY_IS_NONE)
        if "event_id" in self.beside:
            codes, table = texts.pop("event_id")
            lookup: list[str | None] = [*table, None]
            event_ids = [lookup[code] for code in codes.tolist()]
        return RecordFields(read.count, texts, event_ids, time, measures, rejects)

    def raw_events(
        self, read: RecordFields, offset: I64, action: int | None, place: I64 | None = None
    ) -> RawEvents:
        """As events to be judged.

        Args:
            offset: (B,) position of each record in its source.
            action: code of the topic's action; None: each record names its own.
            place: (B,) by which events without a clock are counted; default: `offset`.
        """
        user, users = self._filled(read, "user_id")
        scenario, scenarios = self._filled(read, "scenario")
        item, items = self._filled(read, "item_id")
        text, texts = self._filled(read, "text")
        codes, rejects = self._action_codes(read, action)
        time = read.time
        if self.config.time == "position":
            count = offset if place is None else place
            time = self.config.position_start_s + count.astype(np.float64) * self.config.position_step_s
        return RawEvents(
            user=user,
            users=users,
            item=item,
            items=items,
            scenario=scenario,
            scenarios=scenarios,
            text=text,
            texts=texts,
            time=time,
            action=codes,
            offset=offset,
            event_ids=read.event_ids,
            rejects=rejects,
            action_names=read.coded("action"),
            known_actions=self.action_names,
            measures=read.measures,
            weight=event_weights(codes, read.measures, self.action_names, self.weigh),
        )

    def _filled(self, read: RecordFields, name: str) -> Coded:
        """A field with its default where there is none; "" is a value of a user or scenario, if not a good one."""
        codes, table = read.coded(name)
        default = self.defaults.get(name)
        if default is None:
            return codes, table
        if default not in table:
            table = [*table, default]
        return np.where(codes == NONE, np.int32(table.index(default)), codes), table

    def _action_codes(self, read: RecordFields, action: int | None) -> tuple[U8, RowRejects]:
        """(B,) uint8 codes, and the rejects of the records that contradict their topic, too."""
        codes, table = read.coded("action")
        absent = self.default_action if action is None else action
        if not table:
            return _without(np.full(read.count, absent, np.uint8), read.ignored), dict(read.rejects)
        found = np.array([self.actions.code(name) for name in table] + [absent], np.uint8)[codes]
        rejects = dict(read.rejects)
        if action is not None:
            other = (found != action) & (found < IGNORED_ACTION)
            for row in np.flatnonzero(other).tolist():
                rejects.setdefault(row, _contradiction(self.action_names, int(found[row]), action))
        return _without(found, read.ignored), rejects


ANY_TIME: Final = EventDescription(EventsConfig(earliest="1970-01-01"))
"""Records and files as Driftline writes them, of any time since 1970."""


def _without(codes: U8, ignored: I64) -> U8:
    codes[ignored] = IGNORED_ACTION
    return codes


def _contradiction(names: Sequence[str], found: int, action: int) -> tuple[RejectReason, str]:
    return (
        "action_contradicts_topic",
        f"the record says {names[found]!r}, its topic is of {names[action]!r}",
    )


def _beside_seconds(
    column: Sequence[str | float | None], path: str, described_by: EventDescription, rejects: RowRejects
) -> F64:
    def wrong(row: int, value: object) -> None:
        why = "is missing" if value is None else "is no time"
        rejects.setdefault(row, ("missing_field" if value is None else "wrong_type", f"{path} {why}"))

    if path == RECORD_TIME:
        return column_seconds(list(column), "s", wrong)
    return column_seconds(list(column), described_by.config.time, wrong)
