"""Splits: one cut for all commands, parts that can be judged by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.errors import EvaluationError
from streams.learning.history import History
from streams.learning.split import SplitPlan, split_of
from support.data.histories import history_of, random_history

DAY_S = 86400.0
YEAR_S = 365 * DAY_S
NOW = 1.7e9


def at_times(times: np.ndarray) -> History:
    """One event of one user at each time."""
    some = history_of([("a", "x", 0.0, "s"), ("a", "y", 1.0, "s")])
    events = len(times)
    return replace(
        some,
        offsets=np.array([0, events]),
        user=np.zeros(events, np.int32),
        item=(np.arange(events) % 2).astype(np.int32),
        time=np.sort(times),
    )


@pytest.mark.parametrize("name", ["time", "events", "last"])
def test_parts_share_no_event_and_no_basket_is_cut(name):
    """Train, validation and test are the whole log, each event once; events of one basket are in one part."""
    history = random_history()
    split = split_of(history, name, force=True)
    rows = np.concatenate([split.train, split.validation, split.test])
    assert sorted(rows.tolist()) == list(range(len(history)))
    part = np.empty(len(history), np.int64)
    for number, of_part in enumerate((split.train, split.validation, split.test)):
        part[of_part] = number
    starts = history.basket_starts
    for start, end in zip(starts, np.append(starts[1:], len(history)), strict=True):
        assert len(set(part[start:end].tolist())) == 1


@pytest.mark.parametrize("name", ["time", "events"])
def test_a_time_split_learns_nothing_from_later(name):
    """All of train is before all of validation, and that before all of test; train comes in order of time."""
    history = random_history()
    split = split_of(history, name, force=True)
    time = history.time
    assert time[split.train].max() < time[split.validation].min()
    assert time[split.validation].max() < time[split.test].min()
    assert (np.diff(time[split.train]) >= 0).all()


def test_leave_one_out_takes_the_last_two_baskets():
    """Each user's last basket is test, the one before it validation; users with fewer than three are train only."""
    rows = [("a", f"x{n}", float(n), "s") for n in range(4)]
    rows += [("a", "y", 3.0, "s"), ("b", "x1", 1.0, "s"), ("b", "x2", 2.0, "s")]
    history = history_of(rows)
    items = np.array(history.items)
    split = split_of(history, "last", force=True)
    assert sorted(items[history.item[split.test]].tolist()) == ["x3", "y"]
    assert items[history.item[split.validation]].tolist() == ["x2"]
    assert not split.progressive
    whole = split_of(history, "last", test_share=0, force=True)
    assert sorted(items[history.item[whole.validation]].tolist()) == ["x2", "x3", "y"] and not len(whole.test)


def test_without_a_test_part_the_log_is_learned_to_its_end():
    """A share of 0 leaves nothing out: validation goes to the last event, or everything is trained on."""
    history = random_history()
    for name in ("time", "events"):
        split = split_of(history, name, test_share=0, validation_share=0.2, force=True)
        assert len(split.train) + len(split.validation) == len(history) and not len(split.test)
        assert history.time[split.validation].max() == history.time.max()
        assert (
            split_of(history, name, 0.0, 0.0).train.tolist()
            == np.argsort(history.time, kind="stable").tolist()
        )


def test_times_that_are_positions_are_cut_by_user():
    """A log whose times count each user's events is cut at each user's end; any other in time, unless asked otherwise."""
    clicks = history_of([(f"u{user}", f"i{n}", float(n), "s") for user in range(9) for n in range(9)])
    places = replace(clicks, time=np.tile(np.arange(9.0), 9))
    assert split_of(clicks, force=True).name == "time"
    assert split_of(places, force=True).name == "last"
    assert split_of(places, "events", force=True).name == "events"
    assert split_of(random_history(), force=True).name == "time"


@pytest.mark.parametrize("events", [2_000, 100_000])
@pytest.mark.parametrize("strays", [[2 * YEAR_S], [-24 * YEAR_S], [2 * YEAR_S, -24 * YEAR_S]])
def test_an_event_of_another_year_does_not_move_the_cut(events, strays):
    """One purchase two years later, one event of the year 2000, and both: parts are those of the log without, and checked."""
    times = NOW + np.random.default_rng(0).uniform(0, YEAR_S, events)
    clean = split_of(at_times(times), force=events < 10_000)
    bent = split_of(at_times(np.append(times, NOW + np.array(strays))), force=events < 10_000)
    for part, rows in clean.parts().items():
        assert abs(len(rows) - len(bent.parts()[part])) <= 0.003 * events + len(strays), part
        assert len(rows) > 0.08 * events


def test_a_few_stray_clocks_in_a_hundred_do_not_move_the_cut_either():
    """What `profile` leaves out as clocks that are wrong is no part of the span that the shares are of."""
    times = NOW + np.random.default_rng(0).uniform(0, YEAR_S, 20_000)
    bent = times.copy()
    bent[::50] += 5 * YEAR_S
    split = split_of(at_times(bent))
    assert 0.09 < len(split.validation) / len(bent) < 0.11 and 0.09 < len(split.test) / len(bent) < 0.13


def test_a_part_that_is_too_small_is_refused_with_advice():
    """Below 500 events or 1 % a part is named, with what to do; `force` goes on, and other cuts of the same log are taken."""
    rng = np.random.default_rng(0)
    fading = NOW + DAY_S * np.append(rng.uniform(0, 1, 94_000), rng.uniform(0, 100, 6_000))
    with pytest.raises(
        EvaluationError, match=r"validation part of the time split has .* --split events, or --force"
    ):
        split_of(at_times(fading))
    assert len(split_of(at_times(fading), force=True).validation) < 1000
    assert len(split_of(at_times(fading), "events").validation) == pytest.approx(10_000, rel=0.01)
    short = at_times(NOW + rng.uniform(0, YEAR_S, 3000))
    with pytest.raises(
        EvaluationError, match=r"at least 500\); give a longer log, a larger --validation-share"
    ):
        split_of(short)
    assert len(split_of(short, test_share=0.25, validation_share=0.25).validation) > 500


def test_an_empty_part_is_refused_whatever_is_forced():
    """An empty part is an error that names it, not a figure about nothing."""
    with pytest.raises(EvaluationError, match="validation part of the time split is empty"):
        split_of(history_of([("a", "x", 0, "s"), ("a", "y", 1000, "s")]), "time", force=True)
    with pytest.raises(EvaluationError, match="last split"):
        split_of(history_of([("a", "x", 0, "s")]), "last", force=True)
    with pytest.raises(EvaluationError, match="smaller ones"):
        SplitPlan(test_share=0.5, validation_share=0.5).of(random_history())
