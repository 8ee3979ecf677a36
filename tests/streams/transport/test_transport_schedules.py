"""The transport's promise at each step of a batch's way, whatever happens there: deterministic schedules, without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from support.fakes.scripted_consumer import A, B, World, settle

Event = Callable[[World], Awaitable[None]]


async def given_back(world: World) -> None:
    await world.rebalance(generation=world.group_generation + 1)


async def given_back_in_the_same_generation(world: World) -> None:
    """As when the broker has lost the group: its count starts over."""
    await world.rebalance(generation=world.group_generation)


async def away_and_back(world: World) -> None:
    """Meanwhile another worker has applied and committed some."""
    await world.rebalance(generation=world.group_generation + 1, others_apply=5)


async def half_and_all(world: World) -> None:
    """One partition is away for a while, then both are here again."""
    await world.rebalance(generation=world.group_generation + 1, keep=[B], others_apply=3)
    world.accept()
    world.write()
    await world.rebalance(generation=world.group_generation + 1)


async def twice(world: World) -> None:
    await given_back(world)
    await away_and_back(world)


async def known_to_the_client_first(world: World) -> None:
    """The client has joined again, the app does not know yet; what is in hand continues until it does."""
    world.client.generation += 1
    world.group_generation += 1
    world.accept()
    world.write()
    world.finish()
    await world.consumer.commit()
    await world.rebalance(generation=world.group_generation, others_apply=5)


async def taken_without_our_knowing(world: World) -> None:
    """The group has moved on before the client knows: what is committed last is refused."""
    world.group_generation += 1
    await world.rebalance(generation=world.group_generation + 1, others_apply=9)


EVENTS = [
    given_back,
    given_back_in_the_same_generation,
    away_and_back,
    half_and_all,
    twice,
    known_to_the_client_first,
    taken_without_our_knowing,
]
STEPS = [
    "before a fetch",
    "fetch under way",
    "hand-over waits",
    "handed over",
    "accepted",
    "written",
    "finished",
    "committed",
]


async def one_round(world: World, step: str, event: Event) -> None:
    """Fetch, hand over, accept, write, finish, commit; the event happens at the step."""

    async def at(here: str) -> None:
        if here == step:
            await event(world)

    await at("before a fetch")
    await world.leaves()
    await at("fetch under way")
    if step == "hand-over waits":
        world.open.clear()
    await world.arrives()
    await at("hand-over waits")
    world.open.set()
    await settle()
    await at("handed over")
    world.accept()
    await at("accepted")
    world.write()
    await at("written")
    world.finish()
    await at("finished")
    await world.consumer.commit()
    await at("committed")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("placed", [False, True])
def test_nothing_is_lost_and_nothing_committed_unapplied_at_any_step(
    step: str, event: Event, number: int, placed: bool
) -> None:
    """In the first round, when nothing was ever committed, and in a later one: every record is applied, no offset is committed
    before what lies below it is applied, none goes backwards, and the end is reached past what is no record."""

    async def story() -> None:
        world = World(placed=placed)
        for each in range(2):
            await one_round(world, step if each == number else "", event)
        await world.run_dry()
        world.assert_nothing_lost()

    asyncio.run(story())


@pytest.mark.parametrize("number", [0, 1])
def test_only_finished_offsets_are_committed(number: int) -> None:
    """What was read, handed over or accepted is not committed before it is marked as done."""

    async def story() -> None:
        world = World()
        for _ in range(number):
            await one_round(world, "", given_back)
        before = dict(world.client.committed)
        await world.leaves()
        await world.arrives()
        await world.consumer.commit()
        assert world.client.committed == before
        world.accept()
        world.write()
        await world.consumer.commit()
        assert world.client.committed == before
        world.finish()
        await world.consumer.commit()
        assert world.client.committed[A] > before.get(A, 0)
        await world.run_dry()

    asyncio.run(story())


def test_a_batch_of_an_earlier_assignment_is_not_current_though_its_generation_comes_again() -> None:
    """Its partition was read again from the committed offset: accepted late it would come before what lies between."""

    async def story() -> None:
        world = World()
        await world.leaves()
        await world.arrives()
        stale = list(world.handed)
        world.handed.clear()
        assert len(stale) == 2 and all(map(world.consumer.is_current, stale))
        await given_back_in_the_same_generation(world)
        assert not any(map(world.consumer.is_current, stale))
        for message in stale:
            world.consumer.mark_done(message)
        for _ in range(2):  # the first one left before the rebalance
            await world.leaves()
            await world.arrives()
        assert world.handed
        await world.consumer.commit()
        assert not world.client.committed, "a stale batch was marked"
        await world.run_dry()

    asyncio.run(story())


def test_what_was_fetched_across_a_rebalance_is_read_again() -> None:
    """A fetch that left before it and arrives after it is not handed over; the next one begins where the commit is."""

    async def story() -> None:
        world = World()
        await one_round(world, "", given_back)
        await world.leaves()
        await away_and_back(world)
        seeks = world.client.seeks
        await world.arrives()
        assert not world.handed
        await world.leaves()
        await world.arrives()
        assert world.client.seeks > seeks
        assert [message.value[0].offset for message in world.handed] == [13, 13]
        await world.run_dry()
        world.assert_nothing_lost()

    asyncio.run(story())


def test_the_clients_generation_counts_as_soon_as_it_is_known() -> None:
    """The client learns of a rebalance seconds before the app; from then on the partition is not ours."""

    async def story() -> None:
        world = World()
        await world.leaves()
        await world.arrives()
        message = world.handed[0]
        assert world.consumer.owns(message)
        world.client.generation += 1
        assert not world.consumer.owns(message)
        world.client.generation -= 1
        world.app.consumer_generation_id += 1
        assert not world.consumer.owns(message)
        world.app.consumer_generation_id -= 1
        await world.run_dry()

    asyncio.run(story())


def test_every_fetch_is_handed_over_in_order() -> None:
    """Hundreds of fetches: not one is left out, none comes twice."""

    async def story() -> None:
        world = World(end=2000, fetch=4)
        offsets: dict[int, list[int]] = {0: [], 1: []}
        for _ in range(500):
            await world.leaves()
            await world.arrives()
            for message in world.handed:
                offsets[message.tp.partition] += [record.offset for record in message.value]
            world.handed.clear()
        records = [at for at in range(2000) if at % 10 != 9]
        assert offsets == {0: records, 1: records}
        world.draining.cancel()

    asyncio.run(story())


def test_lag_ends_where_nothing_is_left_to_process() -> None:
    """Offsets that hold no record, as markers of transactions, are no lag once all before them is done; nor are they before."""

    async def story() -> None:
        world = World(end=10, fetch=20)  # the last offset is no record
        assert world.consumer.lag() == {A: None, B: None}
        await world.leaves()
        await world.arrives()
        assert world.consumer.lag() == {A: 10, B: 10}
        world.accept()
        world.write()
        world.finish()
        assert world.consumer.reached() == {A: 10, B: 10}
        assert world.consumer.lag() == {A: 0, B: 0}
        await world.consumer.commit()
        assert world.client.committed == {A: 10, B: 10}
        world.draining.cancel()

    asyncio.run(story())


def test_what_has_to_be_done_before_a_commit_is_waited_for() -> None:
    """Offsets go to the broker after `before_commit` has ended: a folder is on the disk then."""

    async def story() -> None:
        world = World()
        seen: list[dict[object, int]] = []

        async def before_commit() -> None:
            await asyncio.sleep(0)
            seen.append(dict(world.client.committed))

        world.app.before_commit = before_commit
        await world.leaves()
        await world.arrives()
        world.accept()
        world.write()
        world.finish()
        await world.consumer.commit()
        assert seen and seen[0] == {} and world.client.committed[A] > 0
        await world.run_dry()

    asyncio.run(story())
