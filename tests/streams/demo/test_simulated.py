"""Simulated users and their catalogue, without a broker."""

from __future__ import annotations

import itertools
import random
from collections import Counter

from streams.demo.simulate import simulated_events, simulated_users
from streams.demo.simulated_catalogue import simulated_catalogue
from streams.events.event import reject_reason

START = 1_700_000_000.0


def simulated(seed: int, count: int = 4000, users: int = 8):
    catalogue = simulated_catalogue()
    rng = random.Random(seed)
    people = simulated_users(rng, users, catalogue)
    return people, list(simulated_events(rng, people, catalogue, start=START, rate=10.0, count=count))


def test_the_catalogue_is_readable_and_complete():
    """120 items of five scenarios, each with an id, a title and a description of its own theme."""
    catalogue = simulated_catalogue()
    assert Counter(row.scenario for row in catalogue) == dict.fromkeys(
        ("books", "games", "garden", "kitchen", "music"), 24
    )
    assert len({row.item_id for row in catalogue}) == len({row.title for row in catalogue}) == 120
    assert all(row.description.endswith(".") for row in catalogue)


def test_one_seed_gives_one_run():
    """The same seed and start give the same events; another seed others."""
    assert simulated(3) == simulated(3)
    assert simulated(3)[1] != simulated(4)[1]


def test_simulated_events_are_valid_and_evenly_spaced():
    """Every event would be applied; ids are unique; times follow the rate."""
    _, events = simulated(5)
    assert all(reject_reason(e.event, now=START + 1e6) is None for e in events)
    assert len({e.event.event_id for e in events}) == len(events)
    gaps = {round(b.event.timestamp - a.event.timestamp, 6) for a, b in itertools.pairwise(events)}
    assert gaps == {0.1}
    assert {e.action for e in events} == {"browse", "click", "purchase"}
    assert any(e.event.text for e in events)


def test_interest_moves_from_home_to_new():
    """Each user acts mostly at home at first and mostly in the new scenario in the end."""
    people, events = simulated(6)
    for user in people:
        early = Counter(e.event.scenario for e in events[:1500] if e.event.user_id == user.user_id)
        late = Counter(e.event.scenario for e in events[2500:] if e.event.user_id == user.user_id)
        assert early[user.home] > 0.85 * early.total()
        assert late[user.new] > 0.7 * late.total()


def test_another_run_is_no_duplicate_of_the_first():
    """Two simulations with one seed at different times are different events."""
    catalogue = simulated_catalogue()
    ids = []
    for start in (START, START + 100):
        rng = random.Random(1)
        people = simulated_users(rng, 3, catalogue)
        events = simulated_events(rng, people, catalogue, start=start, rate=1.0, count=50)
        ids.append({e.event.event_id for e in events})
    assert not ids[0] & ids[1]
