"""Where items belong: departments hold them, pages don't, and a catalogue is believed in the events' own words."""

from __future__ import annotations

import numpy as np
import pytest

from transfer.codes import NONE
from transfer.item_scenarios import item_scenarios

NAMES = ["toys", "garden", "books"]
UNKNOWN = len(NAMES)


def found(events: list[tuple[int, int]], by_catalogue: list[int], names: list[str] = NAMES) -> list[int]:
    item, scenario = np.array(events, np.int64).reshape(-1, 2).T
    return item_scenarios(
        item, scenario, np.ones(len(item)), np.array(by_catalogue, np.int32), names
    ).tolist()


def test_departments_hold_their_items() -> None:
    """Events that agree are believed, against the catalogue too; for an item without events the catalogue is, if events
    know its word."""
    events = [(0, 0)] * 3 + [(1, 1)] * 3
    assert found(events, [NONE, 0, 1, UNKNOWN, NONE]) == [0, 1, 1, NONE, NONE]


def test_pages_hold_nothing() -> None:
    """Where the same items are met everywhere no item belongs, unless the catalogue says so in the events' words."""
    events = [(item, place) for item in range(3) for place in range(3)]
    assert found(events, [NONE] * 3) == [NONE] * 3
    assert found(events, [UNKNOWN, 2, NONE]) == [NONE, 2, NONE]


@pytest.mark.parametrize(("strays", "belong"), [(5, True), (6, False)])
def test_nearly_all_events_must_agree(strays: int, belong: bool) -> None:
    """One in twenty may be elsewhere: items are moved, and logs have errors."""
    events = [(0, 0)] * (101 - strays) + [(0, 1)] * strays
    assert found(events, [NONE]) == [0 if belong else NONE]


def test_single_events_agree_with_themselves() -> None:
    """A thousand items that were met once each do not tell departments from pages."""
    events = [(item, item % 3) for item in range(1000)]
    assert found(events, [NONE] * 1000) == [NONE] * 1000
    assert found([*events, (0, 0)], [NONE] * 1000)[:3] == [0, 1, 2]
    assert found([*events, (0, 1)], [NONE] * 1000)[:3] == [NONE] * 3


def test_one_scenario_holds_nothing_apart() -> None:
    """With a single scenario, or none, requests are about everything."""
    assert found([(0, 0)] * 4, [0, 0], ["shop"]) == [NONE, NONE]
    assert found([], [NONE], []) == [NONE]


def test_counts_and_codes_do_not_matter() -> None:
    """Events one by one or counted, and scenarios in any order, give items the same scenarios by name, in a tie too."""
    rng = np.random.default_rng(3)
    item = rng.integers(0, 40, 900)
    scenario = np.where(rng.random(900) < 0.97, item % 3, rng.integers(0, 3, 900))
    item, scenario = np.append(item, [40, 40]), np.append(scenario, [0, 1])
    by_catalogue = np.full(42, NONE, np.int32)
    by_catalogue[41] = 1
    first = item_scenarios(item, scenario, np.ones(len(item)), by_catalogue, NAMES)
    assert NAMES[first[40]] == "garden" and (first[:40] == np.arange(40) % 3).all() and first[41] == 1
    pairs, count = np.unique(item * 3 + scenario, return_counts=True)
    again = item_scenarios(pairs // 3, pairs % 3, count.astype(np.float32), by_catalogue, NAMES)
    assert again.tolist() == first.tolist()
    swap = np.array([2, 0, 1])
    names = [NAMES[code] for code in np.argsort(swap)]
    by_catalogue[41] = swap[1]
    other = item_scenarios(item, swap[scenario], np.ones(len(item)), by_catalogue, names)
    assert [names[code] for code in other] == [NAMES[code] for code in first]
