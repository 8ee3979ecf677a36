"""One batch decoded, by what its topic holds: events, catalogue rows, consents or declarations."""

from __future__ import annotations

import numpy as np

from streams.events.consent import decode_consents
from streams.events.declaration import decode_declarations
from streams.events.event import Reject, TimeLimits
from streams.ingest.intake import Intake
from streams.wire.record_batch import RecordBatch
from streams.worker.batch import LaneBatch
from transfer.arrays import F64, I64


def decode_batch(batch: LaneBatch, intake: Intake, source: str, now: F64) -> tuple[list[Reject], int]:
    """Put what the records say into the batch; what was rejected, and how many are ignored.

    now (N,): unix seconds, of each record.

    Raises:
        RegistryUnavailable: call again.
    """
    decoders = intake.decoders
    records = RecordBatch.fetched(batch.records, batch.topic)
    limits = TimeLimits(max_future_s=intake.settings.max_future_s)
    if batch.slot.is_items:
        batch.items = decoders.items().decode(records)
        return batch.items.rejects, 0
    if batch.slot.is_consents:
        consents = decode_consents(records.values, now=now, limits=limits)
        batch.consents = consents.consents
        return consents.rejects, 0
    if batch.slot.is_profiles:
        written = [None if time is None or time < 0 else time / 1000 for time in records.times_ms]
        batch.declared = decode_declarations(
            records.values, keys=records.keys, written=written, now=now, limits=limits
        )
        return batch.declared.rejects, 0
    decoded = decoders.events(batch.slot).decode(
        records, offsets=record_offsets(batch), source=source, now=now
    )
    batch.columns = decoded.columns
    return decoded.rejects, decoded.ignored


def record_offsets(batch: LaneBatch) -> I64:
    """(N,) of a batch's records."""
    return np.array([record.offset for record in batch.records], np.int64)
