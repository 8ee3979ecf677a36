"""The bound of what is in flight: first come first served, in events and bytes."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from streams.worker.in_flight import InFlightLimit


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 300)), max_size=40))
def test_the_room_is_never_overfull_and_everybody_gets_in_in_order(sizes: list[tuple[int, int]]) -> None:
    """But for a batch larger than the room, which is let in alone, neither bound is ever passed."""

    async def main() -> None:
        room, entered = InFlightLimit(20, 200), []

        async def guest(number: int, events: int, n_bytes: int) -> None:
            assert await room.take(events, n_bytes)
            entered.append(number)
            alone = room.events == events
            assert alone or (room.events <= 20 and room.n_bytes <= 200)
            await asyncio.sleep(0)
            room.give(events, n_bytes)

        await asyncio.gather(*[guest(number, *size) for number, size in enumerate(sizes)])
        assert entered == sorted(entered) and len(entered) == len(sizes)
        assert (room.events, room.n_bytes) == (0, 0)

    asyncio.run(main())


def test_those_that_wait_can_be_turned_away() -> None:
    """A rebalance sends away those who wait; closing keeps everybody out."""

    async def main() -> None:
        room = InFlightLimit(10, 100)
        assert await room.take(10, 10)
        waiting = asyncio.create_task(room.take(1, 1))
        await asyncio.sleep(0)
        room.turn_away()
        assert not await waiting
        room.give(10, 10)
        assert await room.take(1, 1)
        room.close()
        assert not await room.take(1, 1)

    asyncio.run(main())
