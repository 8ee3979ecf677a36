"""Where items belong: departments hold them, pages don't, and a catalogue is believed in the events' own words."""

from __future__ import annotations

import numpy as np
import pytest

from transfer.item_homes import NOWHERE, homes

NAMES = ["toys", "garden", "books"]
UNKNOWN = len(NAMES)


def found(events: list[tuple[int, int]], told: list[int], names: list[str] = NAMES) -> list[int]:
    item, scenario = np.array(events, np.int64).reshape(-1, 2).T
    return homes(item, scenario, np.ones(len(item)), np.array(told, np.int32), names).tolist()


def test_departments_hold_their_items() -> None:
    """Events that agree are believed, against the catalogue too; for an item without events the catalogue is, if events
    know its word."""
    events = [(0, 0)] * 3 + [(1, 1)] * 3
    assert found(events, [NOWHERE, 0, 1, UNKNOWN, NOWHERE]) == [0, 1, 1, NOWHERE, NOWHERE]


def test_pages_hold_nothing() -> None:
    """Where the same items are met everywhere no item belongs, unless the catalogue says so in the events' words."""
    events = [(item, place) for item in range(3) for place in range(3)]
    assert found(events, [NOWHERE] * 3) == [NOWHERE] * 3
    assert found(events, [UNKNOWN, 2, NOWHERE]) == [NOWHERE, 2, NOWHERE]


@pytest.mark.parametrize(("strays", "belong"), [(5, True), (6, False)])
def test_nearly_all_events_must_agree(strays: int, belong: bool) -> None:
    """One in twenty may lie elsewhere: items are moved, and logs have errors."""
    events = [(0, 0)] * (101 - strays) + [(0, 1)] * strays
    assert found(events, [NOWHERE]) == [0 if belong else NOWHERE]


def test_single_events_agree_with_themselves() -> None:
    """A thousand items that were met once each do not tell departments from pages."""
    events = [(item, item % 3) for item in range(1000)]
    assert found(events, [NOWHERE] * 1000) == [NOWHERE] * 1000
    assert found([*events, (0, 0)], [NOWHERE] * 1000)[:3] == [0, 1, 2]
    assert found([*events, (0, 1)], [NOWHERE] * 1000)[:3] == [NOWHERE] * 3


def test_one_scenario_holds_nothing_apart() -> None:
    """With a single scenario, or none, requests are about everything."""
    assert found([(0, 0)] * 4, [0, 0], ["shop"]) == [NOWHERE, NOWHERE]
    assert found([], [NOWHERE], []) == [NOWHERE]


def test_counts_and_codes_do_not_matter() -> None:
    """Events one by one or counted, and scenarios in any order, give items the same homes by name, in a tie too."""
    rng = np.random.default_rng(3)
    item = rng.integers(0, 40, 900)
    scenario = np.where(rng.random(900) < 0.97, item % 3, rng.integers(0, 3, 900))
    item, scenario = np.append(item, [40, 40]), np.append(scenario, [0, 1])
    told = np.full(42, NOWHERE, np.int32)
    told[41] = 1
    first = homes(item, scenario, np.ones(len(item)), told, NAMES)
    assert NAMES[first[40]] == "garden" and (first[:40] == np.arange(40) % 3).all() and first[41] == 1
    pairs, count = np.unique(item * 3 + scenario, return_counts=True)
    again = homes(pairs // 3, pairs % 3, count.astype(np.float32), told, NAMES)
    assert again.tolist() == first.tolist()
    swap = np.array([2, 0, 1])
    names = [NAMES[code] for code in np.argsort(swap)]
    told[41] = swap[1]
    other = homes(item, swap[scenario], np.ones(len(item)), told, names)
    assert [names[code] for code in other] == [NAMES[code] for code in first]
