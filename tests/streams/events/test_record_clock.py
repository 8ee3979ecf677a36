"""The present, as the records have it: a machine's wrong clock is not blamed on events, nor a producer's on the machine."""

from __future__ import annotations

import numpy as np
import pytest

from streams.events.decode import decode_events
from streams.events.event import RejectReason
from streams.events.record_clock import RecordClock
from streams.settings import Settings
from support.data.event_columns import NOW
from support.data.fetched import Fetched

DAY = 86400.0


def fetched(at: float, ahead: float = 0.0, broker: bool = False, offset: int = 0) -> Fetched:
    """A record written at `at` whose event lies `ahead` of that."""
    value = b'{"user_id": "u", "timestamp": %r, "scenario": "s", "item_id": "i"}' % (at + ahead)
    return Fetched(value, offset, timestamp=int(at * 1000), timestamp_type=int(broker))


def reasons(clock: RecordClock, records: list[Fetched], partition: int = 0) -> list[RejectReason]:
    decoded = decode_events(
        [record.value for record in records],
        offsets=range(len(records)),
        action=1,
        source="s",
        now=clock.references("clicks", partition, records),
    )
    return [reject.reason for reject in decoded.rejects]


@pytest.mark.parametrize("broker", [True, False])
@pytest.mark.parametrize("count", [1, 5, 2000])
@pytest.mark.parametrize("behind", [2 * DAY, 20 * 365 * DAY])
def test_a_clock_that_is_behind_rejects_no_good_event(broker: bool, count: int, behind: float) -> None:
    """Whether brokers or producers set the records' times, and however few records there are; and the machine is reported."""
    clock = RecordClock(lambda: NOW - behind)
    records = [fetched(NOW + n, broker=broker, offset=n) for n in range(count)]
    assert reasons(clock, records) == []
    assert clock.behind_s == pytest.approx(behind, abs=count)
    assert "behind" in str(clock.warning)


@pytest.mark.parametrize("behind", [0.0, 2 * DAY])
def test_an_event_ahead_of_its_record_is_rejected(behind: float) -> None:
    """Whatever the machine's clock says: what was written before it happened has a wrong clock."""
    clock = RecordClock(lambda: NOW - behind)
    assert reasons(clock, [fetched(NOW), fetched(NOW, ahead=7200.0), fetched(NOW)]) == ["timestamp_in_future"]


def test_a_producer_ahead_of_all_others_convinces_nobody() -> None:
    """Its events and the times of its records agree, but not with what the others of the partition say."""
    clock = RecordClock(lambda: NOW)
    records = [fetched(NOW + (2 * DAY if n % 50 == 7 else 0)) for n in range(200)]
    assert reasons(clock, records) == ["timestamp_in_future"] * 4
    assert clock.behind_s == 0.0 and clock.warning is None


def test_a_sparse_backlog_behind_a_wrong_clock_is_applied() -> None:
    """Records of days in one fetch, up to beyond what the machine takes for the present."""
    clock = RecordClock(lambda: NOW - 2 * DAY)
    records = [fetched(NOW - 4 * DAY + n * 600.0) for n in range(577)]
    assert reasons(clock, records) == []


def test_times_in_another_unit_move_no_clock() -> None:
    """A record timestamp in microseconds makes no event credible and no machine wrong."""
    clock = RecordClock(lambda: NOW)
    records = [Fetched(fetched(NOW * 1000).value, 0, timestamp=int(NOW * 1e6))] * 5
    assert reasons(clock, records) == ["timestamp_in_future"] * 5
    assert clock.behind_s == 0.0


def test_positions_of_rejects_hold_where_some_records_are_no_json() -> None:
    """Each record is judged by its own time, whatever stands between."""
    clock = RecordClock(lambda: NOW - 5 * DAY)
    bad = Fetched(b"{nope", 0, timestamp=int(NOW * 1000))
    records = [bad, fetched(NOW), bad, fetched(NOW, ahead=8000.0), fetched(NOW + 3000)]
    decoded = decode_events(
        [record.value for record in records],
        offsets=range(5),
        action=1,
        source="s",
        now=clock.references("clicks", 0, records),
    )
    assert [reject.position for reject in decoded.rejects] == [0, 2, 3]
    np.testing.assert_array_equal(decoded.columns.offset, [1, 4])


def test_the_bound_fits_the_half_lives() -> None:
    """By default an event may be one shortest half-life ahead, within 5 minutes and a day; what is set counts."""

    def bound(**sections: dict[str, object]) -> float:
        return Settings.load(flags=sections).max_future_s

    assert bound() == 3600.0
    assert bound(interest={"half_lives_s": [60.0, 3600.0]}) == 300.0
    assert bound(interest={"half_lives_s": [7 * DAY, 30 * DAY]}) == DAY
    assert bound(daemon={"max_future_s": 7200.0}) == 7200.0
