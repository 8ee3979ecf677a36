"""States at the positions of a log are the states of replay."""

from dataclasses import replace

import numpy as np
import pytest

from support.checks.reference_state import max_relative_error
from support.fakes.learned import small_log
from transfer.config import InterestConfig
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import empty_states
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events
from transfer.training.examples import examples
from transfer.training.states_at import packed_states_at
from transfer.training.walk import AsideLog, EventLog, baskets, walk

CONFIG = InterestConfig(dim=8, half_lives_s=(600.0, 86400.0, 2592000.0))


def before(log: EventLog, row: int) -> EventTerms:
    """The events of the row's user before it."""
    user = int(log.user[row])
    rows = np.arange(log.offsets[user], row)
    return EventTerms(
        user=np.zeros(len(rows), np.int32),
        time=log.time[rows],
        key=log.key[rows],
        action=log.action[rows],
        item=log.item_keys[log.item[rows]],
        scenario=log.scenario[rows],
        scenario_names=log.scenario_names,
        vectors=log.vectors,
        vector=log.item[rows],
    )


@pytest.mark.parametrize("start", [-np.inf, 20_000.0])
def test_every_basket_is_met_with_all_that_came_before_and_nothing_else(start: float) -> None:
    """A state handed to training is the one that replay has at that moment, whether the walk begins early or late."""
    log = small_log()
    met = 0
    for wave in walk(log, CONFIG, start):
        for place, row in enumerate(wave.row.tolist()):
            alone, _ = apply_events(empty_states(1, CONFIG), before(log, row), CONFIG)
            one = unpack_states(pack_states(wave.states, CONFIG)[place : place + 1], CONFIG)
            assert max_relative_error(one, alone) < 1e-5
            met += 1
    rows = baskets(log)
    expected = (log.time[rows] >= start) & (rows > log.offsets[log.user[rows]])
    assert met == int(expected.sum()) > 0


@pytest.mark.parametrize("start", [-np.inf, 20_000.0])
def test_hides_and_impressions_are_in_the_states_that_come_after_them(start: float) -> None:
    """Those strictly before a basket, and neither one of its moment nor any later one; baskets are of acts alone."""
    config = InterestConfig(
        dim=8, half_lives_s=(600.0, 86400.0, 2592000.0), actions={"hide": -1.0, "shown": 0.0}
    )
    rng = np.random.default_rng(3)
    plain = small_log()
    user = np.sort(rng.integers(0, 12, 200)).astype(np.int32)
    # Half at the very moments of baskets.
    times = np.where(
        rng.random(200) < 0.5,
        plain.time[plain.offsets[user] + rng.integers(0, 30, 200)],
        np.round(rng.uniform(0, 60_000, 200)),
    )
    order = np.lexsort((times, user))
    action, item = rng.integers(3, 5, 200).astype(np.uint8), rng.integers(0, 20, 200).astype(np.int32)
    aside = AsideLog(user, times[order], np.arange(9000, 9200, dtype=np.uint64), action, item)
    log = replace(plain, aside=aside)
    rows = [wave.row for wave in walk(plain, config, start)]
    met = 0
    for wave, same in zip(walk(log, config, start), rows, strict=True):
        np.testing.assert_array_equal(wave.row, same)
        for place, row in enumerate(wave.row.tolist()):
            mine = np.flatnonzero((aside.user == log.user[row]) & (aside.time < log.time[row]))
            alone, _ = apply_events(empty_states(1, config), before(log, row), config)
            if len(mine):
                terms = replace(
                    before(log, row),
                    user=np.zeros(len(mine), np.int32),
                    time=aside.time[mine],
                    key=aside.key[mine],
                    action=action[mine],
                    item=log.item_keys[item[mine]],
                    scenario=np.zeros(len(mine), np.int32),
                    vector=item[mine],
                )
                alone, _ = apply_events(alone, terms, config)
            one = unpack_states(pack_states(wave.states, config)[place : place + 1], config)
            assert max_relative_error(one, alone) < 1e-5
            met += len(mine) > 0
    assert met > 100


def test_a_basket_is_no_part_of_its_own_state() -> None:
    """What is predicted is not known: targets of a position are the items of its basket, distinct."""
    log = small_log()
    found = examples(log, CONFIG)
    ends = np.append(baskets(log)[1:], len(log))
    for place in range(0, len(found), 7):
        row = int(found.row[place])
        end = int(ends[np.searchsorted(baskets(log), row)])
        targets = found.target_item[found.target_offsets[place] : found.target_offsets[place + 1]]
        assert sorted(targets.tolist()) == sorted(set(log.item[row:end].tolist()))
        assert found.time[place] == log.time[row]


def test_moments_are_packed_states_by_row() -> None:
    """The state at one row is asked for by that row; a user's first event has none."""
    log = small_log()
    rows = baskets(log)[[0, 3, 10, 25]]
    found = packed_states_at(log, CONFIG, rows)
    assert set(found) == {row for row in rows.tolist() if row not in log.offsets.tolist()}
    for row, packed in found.items():
        alone, _ = apply_events(empty_states(1, CONFIG), before(log, row), CONFIG)
        assert max_relative_error(unpack_states([packed], CONFIG), alone) < 1e-5
