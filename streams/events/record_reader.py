"""Records -> their fields as columns, by a generated struct, and the slow way for those that it does not take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from streams.events.columns import Coder
from streams.events.events_config import ID_FIELDS
from streams.events.ids import RowRejects, texts_of
from streams.events.measures import measure_column
from streams.events.paths import Path, is_place, path_text
from streams.events.record_fields import EMPTY_IS_NONE, RecordFields
from streams.events.record_type import RecordType
from streams.events.record_walk import Unreadable, walk_record
from streams.events.times import EXPECTED, TimeForm, column_seconds, scaled
from transfer.arrays import F64
from transfer.weigh import MEASURES

RecordValue = bytes | Mapping[str, Any] | None
"""JSON, an object that was decoded already, or nothing."""

CHUNK: Final = 512
"""Records whose structs exist at once: few enough to stay in a core's cache while their fields are read out."""
LOOSE_AFTER: Final = 8
"""So many records that only the loose struct takes, and the following ones are tried with that first."""
_STRICT_TIME: Final[dict[str, Any]] = {"iso": str, "ns": int, "yyyymmdd": int}
"""Others are numbers; of nanoseconds a float loses some."""


class RecordReader:
    """Reads records by paths; made once for a description.

    Args:
        paths: field -> path.
        required: fields that a record can't do without.
    """

    def __init__(self, paths: Mapping[str, Path], required: Sequence[str], form: TimeForm) -> None:
        self._paths = dict(paths)
        self._form: TimeForm = form
        needed = [field for field in required if field in paths]
        kinds: dict[str, Any] = dict.fromkeys(paths, str)
        kinds |= dict.fromkeys([field for field in MEASURES if field in paths], float)
        kinds["timestamp"] = _STRICT_TIME.get(form, float)
        self._strict = RecordType(paths, kinds, needed)
        self._loose = RecordType(paths, None)
        # An array may be too short for what is needed of it, and the strict struct takes it all the same.
        self._sure = {field for field in needed if not any(map(is_place, paths[field]))}
        # And what an array holds is of any type there.
        self._typed = {field for field in paths if not any(map(is_place, paths[field]))}
        self._names = {field: path_text(path) for field, path in paths.items()}

    def read(self, values: Sequence[RecordValue]) -> RecordFields:
        """The fields of each record; one that can't be read has none, and a reject."""
        rejects: RowRejects = {}
        texts = {field: Coder() for field in self._paths if field not in ("timestamp", "event_id", *MEASURES)}
        event_ids: list[str | None] = []
        times: list[F64] = []
        measures: dict[str, list[F64]] = {field: [] for field in MEASURES if field in self._paths}
        reading = _Reading(self._strict, self._loose, self._walk, rejects)
        for start in range(0, len(values), CHUNK):
            chunk = _Chunk(reading, values[start : start + CHUNK], start)
            for field, coder in texts.items():
                column = chunk.column(field)
                if not (chunk.strict and field in self._typed):
                    # Further fields are the caller's, who may do without them.
                    ours = rejects if field in ID_FIELDS else {}
                    column = texts_of(column, self._names[field], start, ours)
                if chunk.strict and field in self._sure:
                    coder.add(column)
                elif column.count(None) == len(column):
                    coder.add_absent(len(column))
                elif field in EMPTY_IS_NONE:
                    coder.add_optional(column)
                else:
                    coder.add_nullable(column)
            if "event_id" in self._paths:
                column = chunk.column("event_id")
                typed = chunk.strict and "event_id" in self._typed
                event_ids += column if typed else texts_of(column, self._names["event_id"], start, rejects)
            if "timestamp" in self._paths:
                times.append(self._seconds(chunk, start, rejects))
            for field, parts in measures.items():
                parts.append(measure_column(chunk.column(field), self._names[field], start, rejects))
        nothing = np.full(len(values), np.nan)
        return RecordFields(
            count=len(values),
            texts={field: coder.result() for field, coder in texts.items()},
            event_ids=event_ids if "event_id" in self._paths else None,
            time=np.concatenate(times) if times else nothing,
            measures={
                field: np.concatenate(parts) if parts else nothing for field, parts in measures.items()
            },
            rejects=rejects,
        )

    def _walk(self, value: RecordValue) -> dict[str, Any]:
        if value is None:
            raise Unreadable("empty_record", "the record has no value")
        return walk_record(value, self._paths, "timestamp")

    def _seconds(self, chunk: _Chunk, start: int, rejects: RowRejects) -> F64:
        column, name = chunk.column("timestamp"), self._names["timestamp"]
        if chunk.strict and "timestamp" in self._sure and self._form not in ("iso", "yyyymmdd", "ns"):
            return scaled(np.array(column, np.float64), self._form)

        def wrong(place: int, value: Any) -> None:
            if value is None:
                rejects.setdefault(start + place, ("missing_field", f"{name} is missing or null"))
            else:
                rejects.setdefault(start + place, ("wrong_type", f"{name}: expected {EXPECTED[self._form]}"))

        return column_seconds(column, self._form, wrong)


class _Reading:
    """One call's decoder: strict at first, loose from then on when many records are."""

    def __init__(
        self,
        strict: RecordType,
        loose: RecordType,
        walk_one: Callable[[RecordValue], dict[str, Any]],
        rejects: RowRejects,
    ) -> None:
        self.type = strict
        self.loose = loose
        self.walk = walk_one
        self.rejects = rejects
        self.taken_loosely = 0

    def decoder(self, value: RecordValue, of: RecordType) -> Callable[[Any], Any]:
        """JSON is decoded, an object converted."""
        return of.convert if isinstance(value, Mapping) else of.decode


class _Chunk:
    """Some consecutive records as structs."""

    def __init__(self, reading: _Reading, values: Sequence[RecordValue], start: int) -> None:
        self._reading = reading
        self._walked: dict[int, dict[str, Any]] = {}
        self.strict = reading.type is not reading.loose
        self._records = self._structs(values, start)

    def column(self, field: str) -> list[Any]:
        """The field of each record, as it stands there."""
        column = self._reading.loose.column(self._records, field, strict=self.strict)
        for row, found in self._walked.items():
            column[row] = found.get(field)
        return column

    def _structs(self, values: Sequence[RecordValue], start: int) -> list[Any]:
        """Each record on its own: records joined into one document would decode a little faster, but then one that is not
        closed could swallow its neighbour. `map` and `extend` keep the calls out of the interpreter; when one raises, the
        structs before it are in the list, and `map` continues with the record after it.
        """
        reading = self._reading
        records: list[Any] = []
        first = values[0] if values else None
        decoding: Iterator[Any] = map(reading.decoder(first, reading.type), values)
        while True:
            try:
                records.extend(decoding)
                return records
            except Exception:
                row, before = len(records), reading.type
                records.append(self._second_try(values[row], row, start))
                if reading.type is not before:
                    decoding = map(reading.decoder(first, reading.type), values[row + 1 :])

    def _second_try(self, value: RecordValue, row: int, start: int) -> Any:
        reading = self._reading
        self.strict = False
        if value is not None:
            try:
                record = reading.decoder(value, reading.loose)(value)
            except Exception:
                pass
            else:
                reading.taken_loosely += 1
                if reading.taken_loosely > LOOSE_AFTER:
                    reading.type = reading.loose
                return record
        try:
            self._walked[row] = reading.walk(value)
        except Unreadable as error:
            reading.rejects[start + row] = error.why
        return reading.loose.nothing
