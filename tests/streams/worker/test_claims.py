"""What a process does around a claim, each case forced: no chance, no clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from streams.ingest.intake import Intake, open_intake
from streams.ingest.outcome import APPLIED, REDELIVERED
from streams.settings import Settings
from support.checks.states import states_of
from support.data.event_columns import columns_of, event
from support.qdrant_server import QdrantServer

pytestmark = pytest.mark.server


class Interposing(QdrantServer):
    """A server that lets something happen right before a request of one method, once."""

    method = ""
    happens: Callable[[], None] | None = None

    def answer(self, method: str, call: Any, request: Any, context: Any) -> Any:
        """As a server does, after what happens."""
        if self.happens is not None and method.endswith(f"/{self.method}") and "users" in str(request)[:200]:
            happens, self.happens = self.happens, None
            happens()
        return super().answer(method, call, request, context)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Interposing]:
    with Interposing(tmp_path / "q") as running:
        yield running


@pytest.fixture
def both(server: Interposing) -> Iterator[tuple[Intake, Intake]]:
    with (
        open_intake(server.url, Settings(), create=True) as one,
        open_intake(server.url, Settings(), create=True) as two,
    ):
        yield one, two


def events_of(intake: Intake) -> dict[str, int]:
    """How many events each user's state has."""
    users, states, _ = states_of(intake.store, intake.workspace.interest)
    return dict(zip(users, states.n_events.tolist(), strict=True))


def one_event(number: int, source: str, offset: int, user: str = "ada") -> Any:
    return columns_of(
        [event(user, "i", at=float(number), event_id=f"{source}{number}")], offsets=[offset], source=source
    )


def test_progress_is_looked_at_after_the_claim(server: Interposing, both: tuple[Intake, Intake]) -> None:
    """The writer before the claim may have applied the event, raised its source, and dropped the mark."""
    one, two = both
    two.ingest.apply(one_event(0, "other", 0))

    def other_does_it_first() -> None:
        two.ingest.apply(one_event(1, "mine", 0))
        two.ingest.advance({"mine": 1})
        two.ingest.apply(one_event(2, "other", 1))
        (ada,) = two.store.users.read(["ada"])
        number = two.store.sources.numbers(["mine"])["mine"]
        assert ada is not None and str(number) not in ada.watermarks, "the mark was kept"

    server.method, server.happens = "SetPayload", other_does_it_first
    outcome = one.ingest.apply(one_event(1, "mine", 0))
    assert server.happens is None, "not exercised"
    assert outcome.code.tolist() == [REDELIVERED]
    assert events_of(one) == {"ada": 3}


def test_a_user_that_is_claimed_away_before_it_is_read_is_claimed_again(
    server: Interposing, both: tuple[Intake, Intake]
) -> None:
    """Between claim and read another process may take the user: nothing is written on what was not ours."""
    one, two = both
    two.ingest.apply(one_event(0, "other", 0))

    def other_claims() -> None:
        two.ingest.cache.forget(["ada"])
        two.ingest.apply(one_event(1, "other", 1))

    server.method, server.happens = "Get", other_claims
    one.ingest.sources.keys(["mine"])
    assert one.ingest.apply(one_event(2, "mine", 0)).code.tolist() == [APPLIED]
    assert server.happens is None, "not exercised"
    assert events_of(one) == {"ada": 3}


def test_a_user_that_is_claimed_away_before_the_write_is_prepared_again(
    server: Interposing, both: tuple[Intake, Intake]
) -> None:
    """A refused write is no loss, neither of its events nor of the other's."""
    one, two = both
    for number in range(3):
        one.ingest.apply(one_event(number, "mine", number))

    server.method, server.happens = "Upsert", lambda: two.ingest.apply(one_event(3, "other", 0)) and None
    assert one.ingest.apply(one_event(4, "mine", 3)).code.tolist() == [APPLIED]
    assert server.happens is None, "not exercised"
    assert one.metrics.refused_writes._value.get() == 1
    assert events_of(one) == {"ada": 5}


def test_a_new_user_that_another_process_brings_first_is_not_overwritten(
    server: Interposing, both: tuple[Intake, Intake]
) -> None:
    """Absent after a claim is perhaps new: it is inserted only if it still is."""
    one, two = both
    one.ingest.apply(one_event(0, "mine", 0, user="ben"))
    server.method, server.happens = "Upsert", lambda: two.ingest.apply(one_event(1, "other", 0)) and None
    assert one.ingest.apply(one_event(2, "mine", 1)).code.tolist() == [APPLIED]
    assert server.happens is None, "not exercised"
    assert events_of(one) == {"ada": 2, "ben": 1}


def test_a_user_that_was_deleted_begins_anew(both: tuple[Intake, Intake]) -> None:
    """What is in memory of a user that somebody has deleted does not come back."""
    one, two = both
    one.ingest.apply(one_event(0, "mine", 0))
    two.store.users.delete(["ada"])
    one.ingest.apply(one_event(1, "mine", 1))
    assert events_of(one) == {"ada": 1}


def test_two_threads_of_a_process_never_have_the_same_user_at_once(both: tuple[Intake, Intake]) -> None:
    """All lanes write under one token, which the store can't tell apart: a flush locks its users."""
    one, _ = both
    one.ingest.apply(one_event(0, "mine", 0))
    second = threading.Event()
    prepared: list[int] = []

    def on_step(step: str) -> None:
        if step == "users prepared":
            prepared.append(threading.get_ident())
            if len(set(prepared)) == 1:
                # A second thread that gets this far ends the wait; one that must not never comes.
                second.wait(1.0)
            else:
                second.set()

    one.failpoints.on_step = on_step
    threads = [
        threading.Thread(target=one.ingest.apply, args=(one_event(number, f"lane{number}", 0),), daemon=True)
        for number in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(prepared)) == 2, "not exercised"
    assert events_of(one) == {"ada": 3}


def test_readers_never_see_a_user_without_a_state(server: Interposing, both: tuple[Intake, Intake]) -> None:
    """A claim of a user that is not there makes nothing that a reader could find."""
    one, two = both
    seen: list[Any] = []

    def look() -> None:
        seen.extend(two.store.users.read(["ada"]))
        with suppress(StopIteration):
            seen.extend(next(two.store.users.scan(10)))

    one.ingest.apply(one_event(0, "mine", 0, user="ben"))
    server.method, server.happens = "Upsert", look
    one.ingest.apply(one_event(1, "mine", 1))
    assert server.happens is None and [record and record.user_id for record in seen] == [None, "ben"]


def test_counts_have_what_was_taken_of_a_write(server: Interposing, both: tuple[Intake, Intake]) -> None:
    """Of a flush in which another process has claimed one user, the others count at once and that one when it was taken."""
    one, two = both
    users = [f"u{number}" for number in range(6)]
    rows = [event(user, f"i{number}", at=float(number)) for number, user in enumerate(users)]
    one.ingest.apply(columns_of(rows, source="mine"))
    counted: list[int] = []
    assert one.counts is not None
    count = one.counts.count

    def note(steps: Any) -> None:
        counted.append(len(steps.event))
        count(steps)

    one.counts.count = note  # type: ignore[method-assign]
    server.method = "Upsert"
    server.happens = lambda: two.ingest.apply(one_event(9, "other", 0, user="u3")) and None
    later = [row | {"timestamp": row["timestamp"] + 60.0} for row in rows]
    outcome = one.ingest.apply(columns_of(later, offsets=range(6, 12), source="mine"))
    assert server.happens is None, "not exercised"
    assert outcome.code.tolist() == [APPLIED] * 6 and sorted(counted) == [1, 5]
