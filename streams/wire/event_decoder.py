"""Records -> events: taken out of their format and envelope, and read by their description."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from streams.events.decode import Decoded, judge_events
from streams.events.description import EventDescription
from streams.events.events_config import EventsConfig
from streams.events.ids import RowRejects, coded_texts
from streams.events.record_fields import EMPTY_IS_NONE, RecordFields
from streams.wire.described import by_form
from streams.wire.envelope import ENVELOPES
from streams.wire.forms import PLAIN, forms_of
from streams.wire.hints import with_hints
from streams.wire.joined_fields import filled_event_ids, filled_text, filled_time, join_fields
from streams.wire.operations import with_operations
from streams.wire.record_batch import HEADER, KEY, RecordBatch
from streams.wire.schemas import NoSchemas
from streams.wire.unframed import SchemaSource, unframed
from transfer.arrays import F64, I64

_ABOUT_VALUES: Final = ("actions", "earliest")
"""Keys of `[events]` that say nothing of where a field stands."""


class EventDecoder:
    """Reads the records of one topic, or the lines of a log.

    Args:
        description: of `[events]`, with what the topic's own description changes.
        action: of all events of the topic; None: each names its own.
        schemas: where schemas come from; None: no registry is set.
    """

    def __init__(
        self, description: EventDescription, action: str | None, schemas: SchemaSource | None = None
    ) -> None:
        config = description.config
        self._envelope = ENVELOPES[config.envelope]
        self._format = config.format
        self._refuses_changes = config.changes == "refuse"
        self._schemas = schemas
        self._action = description.action_code(action)
        self._is_bare = self._format == "json" and self._envelope.name == "none"
        self._forms = by_form(description, self._envelope, has_action=action is not None)
        self._description = self._forms[PLAIN].events

    @property
    def description(self) -> EventDescription:
        """How the payload of a record says what event it is."""
        return self._description

    @property
    def needed_parts(self) -> frozenset[str]:
        """Which cuts of a dead letter (`streams.letters.letter.CUTS`) leave a record that can't be read as it was."""
        paths = [
            *self._description.beside.values(),
            *(path for form in self._forms.values() for path in form.otherwise.values()),
        ]
        keys = {"truncated-key"} if any(path.startswith(KEY) for path in paths) else set()
        headers = {"truncated-headers"} if any(path.startswith(HEADER) for path in paths) else set()
        return frozenset(keys | headers)

    @property
    def is_plain(self) -> bool:
        """Whether records are JSON as Driftline itself writes it."""
        config = self._description.config
        return config == EventsConfig(**{name: getattr(config, name) for name in _ABOUT_VALUES})

    def decode(
        self, batch: RecordBatch, *, offsets: Sequence[int] | I64, source: str, now: float | F64
    ) -> Decoded:
        """Decode records. Whatever one holds, the others are decoded.

        Args:
            offsets: (N,) of each record.
            source: name of the watermark that the offsets belong to.
            now: unix seconds against which "far in the future" is judge_events, for all records or (N,) for each.

        Raises:
            RegistryUnavailable: a schema is not known and the registry does not say; call again.
        """
        offset = np.asarray(offsets, np.int64)
        raw = self._description.raw_events(self.read(batch), offset, self._action)
        decoded = judge_events(raw, source, now, self._description)
        if decoded.rejects and self._is_bare:
            return replace(decoded, rejects=with_hints(decoded.rejects, batch.values))
        return decoded

    def read(self, batch: RecordBatch) -> RecordFields:
        """The fields of each record as it has them; raises as `decode` does."""
        absent = batch.absent() if self._envelope.tombstones else []
        why: RowRejects = {row: ("unreadable_record", why) for row, why in batch.unreadable.items()}
        if self._format != "json":
            schemas = NoSchemas() if self._schemas is None else self._schemas
            taken_out = unframed(batch.values, batch.headers, self._format, schemas)
            batch, why = replace(batch, values=taken_out.values), {**why, **taken_out.rejects}
        forms, formless = forms_of(self._envelope, batch.values, batch.headers)
        read = self._read(batch, forms)
        if self._envelope.operation:
            read = with_operations(read, self._envelope, refuse_changes=self._refuses_changes)
        if not absent and not why and not formless:
            return read
        rejects = {**read.rejects, **formless, **why}
        for row in absent:
            rejects.pop(row, None)
        return replace(read, ignored=np.union1d(read.ignored, absent).astype(np.int64), rejects=rejects)

    def _read(self, batch: RecordBatch, forms: Sequence[int]) -> RecordFields:
        kinds = sorted(set(forms))
        if len(kinds) <= 1:
            return self._read_form(batch, kinds[0] if kinds else PLAIN)
        rows = [[row for row, form in enumerate(forms) if form == kind] for kind in kinds]
        parts = [self._read_form(batch.take(some), kind) for some, kind in zip(rows, kinds, strict=True)]
        return join_fields(parts, rows)

    def _read_form(self, batch: RecordBatch, form: int) -> RecordFields:
        described = self._forms[form]
        paths = {*described.events.beside.values(), *_beside(described.otherwise.values())}
        beside = batch.beside(paths, self._schemas) if paths else None
        read = described.events.read(batch.values, beside)
        for name, further in described.otherwise.items():
            if beside is not None and further in beside:
                coded = coded_texts(list(beside[further]), further, {}, empty_is_none=name in EMPTY_IS_NONE)
                read = replace(read, texts={**read.texts, further: coded})
            if name == "timestamp":
                read = filled_time(read, further)
            elif name == "event_id":
                read = filled_event_ids(read, further)
            else:
                read = filled_text(read, name, further)
        return read


def _beside(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path.startswith("@")]
