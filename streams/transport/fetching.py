"""Records out of aiokafka's buffer of fetches: bounded in records and bytes, with positions, and errors by partition.

Used in place of `Fetcher.fetched_records`, in the thread of the consumer. What that one leaves out:

- a bound in bytes, of what the records weigh once they are unpacked (`streams.transport.record_batches`);
- how far each partition was read, past the markers of transactions, aborted records and holes of compacted topics: lag and
  offsets to commit are judged by it, together with the records that were handed out;
- an error of one partition (no permission to read the topic, a damaged batch) is reported beside the records of the others. The
  partition is tried again a second later;
- turns: a partition with a backlog does not keep the others waiting;
- a position that the log no longer holds is reported, with where it continues, instead of being moved silently.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from aiokafka import errors
from aiokafka.consumer import fetcher as driver
from aiokafka.consumer.fetcher import FetchResult, OffsetResetStrategy, PartitionRecords

from streams.transport.record import FetchedRecord, fetched_record
from streams.transport.record_batches import MAX_RECORD_BYTES, FetchedBatches

RETRY_S = 1.0
"""After an error of a partition."""
NOTICE_S = 0.1
"""A position that was not reported yet is reported this soon, though no record came."""


@dataclass(frozen=True, slots=True)
class FetchBounds:
    """Of one take, over all partitions: no further record is taken once one of the two is reached."""

    records: int = 4000
    n_bytes: int = 4 << 20
    max_record_bytes: int = MAX_RECORD_BYTES
    """a larger record is not unpacked; see `FetchedRecord.refused`"""


class Taken(dict[Any, list[FetchedRecord]]):
    """Records by partition.

    `positions`: next offset to be fetched, by partition, once these records are dealt with. `errors`: of the partitions that
    can't be read; `recovered`: those that can be again. `out_of_range`: the position that the log did not hold, by partition;
    it continues at the log's start.
    """

    def __init__(self) -> None:
        super().__init__()
        self.positions: dict[Any, int] = {}
        self.errors: dict[Any, Exception] = {}
        self.recovered: list[Any] = []
        self.out_of_range: dict[Any, int] = {}


class _Records(PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's, whose records are ours and which leaves checksums to `FetchedBatches`."""

    def __init__(self, tp: Any, records: FetchedBatches, *rest: Any) -> None:
        *before, check_crcs, isolation_level = rest
        records.check_crcs = check_crcs
        super().__init__(tp, records, *before, False, isolation_level)

    _consumer_record = staticmethod(fetched_record)


def unpack_in_pieces() -> None:
    """Let the fetches of every aiokafka consumer of this process be unpacked within bounds, into `FetchedRecord`."""
    driver.MemoryRecords = FetchedBatches
    driver.PartitionRecords = _Records


class Taker:
    """Takes from one consumer's fetcher. `reset`: where a partition begins that has neither position nor committed offset."""

    def __init__(self, bounds: FetchBounds, reset: str) -> None:
        self._bounds = bounds
        self._reset = OffsetResetStrategy.from_str(reset)
        self._told: dict[Any, int] = {}
        self._turn: dict[Any, int] = {}  # when a partition was last taken from: each gets its turn
        self._turns = 0
        self._paused: dict[Any, tuple[Any, float]] = {}
        self._failed_ms: dict[Any, float] = {}

    async def take(self, fetcher: Any, partitions: Any, timeout_s: float, max_records: int) -> Taken:
        """What is there of these partitions, else what comes within the time.

        Raises:
            aiokafka.errors.KafkaError: an error of the whole group, as no permission to be in it.
        """
        end = time.monotonic() + timeout_s
        while True:
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
            taken = self._take_there(fetcher, partitions, max_records)
            left_s = end - time.monotonic()
            if taken or taken.errors or taken.recovered or taken.out_of_range or left_s <= 0:
                self._told = taken.positions
                return taken
            if taken.positions != self._told:
                left_s = min(left_s, NOTICE_S)
                end = min(end, time.monotonic() + NOTICE_S)
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=left_s)
            if not done or fetcher._closed:
                waiter.cancel()
            else:
                waiter.result()  # raises an error of the coordinator

    def _take_there(self, fetcher: Any, partitions: Any, max_records: int) -> Taken:
        taken = Taken()
        assignment = fetcher._subscriptions.subscription and fetcher._subscriptions.subscription.assignment
        if assignment is None or not assignment.active:
            return taken
        self._resume()
        records_left, bytes_left = min(self._bounds.records, max_records), self._bounds.n_bytes
        for tp in sorted(fetcher._records, key=lambda tp: self._turn.get(tp, 0)):
            if tp not in assignment.tps:
                del fetcher._records[tp]
                continue
            if partitions and tp not in partitions:
                continue
            held = fetcher._records[tp]
            state = assignment.state_value(tp)
            if type(held) is not FetchResult:
                self._drop(fetcher, tp)
                self._note(taken, tp, state, held._error)
                continue
            if records_left <= 0 or bytes_left <= 0:
                continue
            try:
                records, n_bytes = _unpack(held, tp, records_left, bytes_left, self._bounds.max_record_bytes)
            except errors.KafkaError as error:
                self._drop(fetcher, tp)
                self._note(taken, tp, state, error)
                continue
            if not held.has_more():
                self._drop(fetcher, tp)
            if records:
                taken[tp] = records
                self._turns += 1
                self._turn[tp] = self._turns
                records_left, bytes_left = records_left - len(records), bytes_left - n_bytes
        for tp in assignment.tps:
            state = assignment.state_value(tp)
            if state.has_valid_position:
                taken.positions[tp] = state.position
            # A fetch was answered since it failed.
            if tp in self._failed_ms and (state.timestamp or 0) > self._failed_ms[tp]:
                taken.recovered.append(tp)
                del self._failed_ms[tp]
        return taken

    def _note(self, taken: Taken, tp: Any, state: Any, error: Exception) -> None:
        if isinstance(error, errors.NoOffsetForPartitionError):
            if not state.has_valid_position:
                state.await_reset(self._reset)
        elif isinstance(error, errors.OffsetOutOfRangeError):
            if state.has_valid_position:
                taken.out_of_range[tp] = state.position
                state.await_reset(OffsetResetStrategy.EARLIEST)
        else:
            taken.errors[tp] = error
            self._failed_ms[tp] = 1000 * time.time()
            state.pause()
            self._paused[tp] = state, time.monotonic() + RETRY_S

    def _resume(self) -> None:
        now = time.monotonic()
        for tp, (state, at) in list(self._paused.items()):
            if now >= at:
                state.resume()
                del self._paused[tp]

    def _drop(self, fetcher: Any, tp: Any) -> None:
        del fetcher._records[tp]
        fetcher._notify(fetcher._wait_consume_future)


def _unpack(
    found: Any, tp: Any, max_records: int, max_bytes: int, max_record_bytes: int
) -> tuple[list[FetchedRecord], int]:
    """As FetchResult.getall, up to `max_bytes` too; records and their bytes. What lies before an error is given first."""
    if not found.check_assignment(tp) or not found.has_more():
        return [], 0
    unpacking = found._partition_records
    unpacking._records.max_record_bytes = max_record_bytes
    records: list[FetchedRecord] = []
    n_bytes = 0
    try:
        for record in unpacking:
            records.append(record)
            n_bytes += record.n_bytes
            if len(records) >= max_records or n_bytes >= max_bytes:
                found._update_position()
                return records, n_bytes
    except errors.KafkaError:
        if not records:
            raise
    found._update_position()
    found._partition_records = None
    return records, n_bytes
