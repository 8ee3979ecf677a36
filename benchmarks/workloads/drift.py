"""Simulated users whose drift is known: habits in visits, busy and quiet times, strays, then a drift and the way back.

The shape is that of real shops, the figures are near theirs and not fitted: here the scenarios of a user without a dormant
one hold on average .54, .23, .14, .06 of the events (completejourney, departments: .64, .15, .08, .05, so a lesser habit
outweighs the main one less often there). Times are in seconds; all randomness comes from the seed.

A user's life, event by event:

    habit     3 to 5 old scenarios with constant shares, the first .39 to .69, all met on the first visit; visits
              at .25 to 2 a day with a mean of five events a minute or so apart; within a visit the
              next event stays in its scenario with probability .2 to .7 and is else drawn from the habit (`stay`)
    busy      one visit in twenty is four times as long
    quiet     after one visit in thirty nothing happens for 5 to 25 days
    burst     one visit in fifty is 8 to 20 events in one old scenario, drawn from the habit
    stray     one visit in twelve has one or two events in one of ten scenarios that are no habit
    drift     from one event on, the target scenario has .6 to .9 of the events, the habits share the rest; half of the
              drifts begin in the middle of a visit
    back      DRIFT_EVENTS later the user does what they did before; the target keeps a tenth

Kinds of drift: `new` (the target was never visited), `dormant` (a habit with .2 to .35 of the events, then none of it for 35
to 60 days), `gradual` (new; its share rises from nothing to .75 over its first 80 events), `control` (no drift at all).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F32, F64, I64

KINDS = ("new", "dormant", "gradual", "control")
SCENARIOS = 20
STRAYS = 10
"""Scenarios SCENARIOS - STRAYS and above are nobody's habit."""
DAY_S = 86400.0
DRIFT_EVENTS = 60
GRADUAL_EVENTS = 140
BACK_EVENTS = 40
RAMP_EVENTS = 80
HISTORY_EVENTS = 300
ITEMS_PER_SCENARIO = 40
THEMES = 4
_ACTIONS = (0.7, 0.25, 0.05)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One user's N events in order, and what is true of them."""

    kind: str
    time: F64
    """(N,) seconds, strictly ascending."""
    scenario: I64
    """(N,) 0..SCENARIOS-1."""
    item: I64
    """(N,) row of `item_vectors`."""
    action: I64
    """(N,) position in ACTIONS."""
    cause: I64
    """(N,) position in CAUSES: why the event is where it is."""
    habit: F64
    """(SCENARIOS,) share of each scenario in the user's old life; 0 for none."""
    target: int
    """The drift's scenario, -1 for none."""
    begins: int
    """Event that the drift begins at; N for none."""
    due: int
    """Event from which the target's share is the largest; N for never."""
    back: int
    """Event from which the user goes back; N for none."""

    def looked_at(self) -> tuple[int, ...]:
        """Events after which old scenarios are looked for: the last before the drift, the last of it, the 5th old one
        after it; none for a user without drift."""
        if self.target < 0:
            return ()
        old = np.flatnonzero(
            self.habit[self.scenario[self.back :]] * (self.scenario[self.back :] != self.target)
        )
        return (self.begins - 1, self.back - 1, self.back + int(old[4]))


CAUSES = ("habit", "stray", "burst", "drift")
_HABIT, _STRAY, _BURST, _DRIFT = range(len(CAUSES))


def drifting_users(count: int, seed: int) -> list[Course]:
    """`count` users of each kind, the same for the same seed.

    >>> users = drifting_users(1, seed=0)
    >>> [user.kind for user in users]
    ['new', 'dormant', 'gradual', 'control']
    >>> bool((users[0].scenario[: users[0].begins] != users[0].target).all())
    True
    """
    return [
        _Life(kind, np.random.default_rng([seed, number, code])).course()
        for number in range(count)
        for code, kind in enumerate(KINDS)
    ]


def item_vectors(dim: int, seed: int) -> F32:
    """(SCENARIOS * ITEMS_PER_SCENARIO, dim) float32 unit vectors: around their scenario, and a theme within it."""
    rng = np.random.default_rng([seed, 1])
    scenario = rng.standard_normal((SCENARIOS, 1, 1, dim))
    theme = rng.standard_normal((SCENARIOS, THEMES, 1, dim))
    own = rng.standard_normal((SCENARIOS, THEMES, ITEMS_PER_SCENARIO // THEMES, dim))
    rows = (scenario + 0.7 * theme + 0.7 * own).reshape(-1, dim)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class _Life:
    """The life of one user while it is told."""

    def __init__(self, kind: str, rng: np.random.Generator) -> None:
        self._kind, self._rng = kind, rng
        self._now = 0.0
        self._rows: list[tuple[float, int, int]] = []
        chosen = rng.permutation(SCENARIOS - STRAYS)
        old = int(rng.integers(3, 6))
        self._target = -1 if kind == "control" else int(chosen[old])
        self._shares = np.zeros(SCENARIOS)
        first = rng.uniform(0.5, 0.75)
        self._shares[chosen[0]] = first
        self._shares[chosen[1:old]] = (1 - first) * (0.15 + rng.dirichlet(np.full(old - 1, 2.0)))
        self._shares /= self._shares.sum()
        self._visits_a_day = float(np.clip(rng.lognormal(np.log(0.7), 0.7), 0.25, 2.0))
        self._stay = rng.uniform(0.2, 0.7)
        self._liked = rng.integers(THEMES, size=SCENARIOS)

    def course(self) -> Course:
        """Tell it."""
        rng, habit = self._rng, self._shares.copy()
        days = rng.uniform(30, 90)
        if self._kind == "dormant":
            share = rng.uniform(0.2, 0.35)
            with_target = habit * (1 - share)
            with_target[self._target] = share
            self._meet(with_target)
            self._until(with_target, days * DAY_S, HISTORY_EVENTS // 2)
            self._until(habit, self._now + rng.uniform(35, 60) * DAY_S, 10**9)
            habit = with_target
        else:
            self._meet(habit)
            self._until(habit, days * DAY_S, HISTORY_EVENTS)
        if self._kind == "control":
            self._until(habit, np.inf, len(self._rows) + DRIFT_EVENTS + BACK_EVENTS)
            return self._told(habit, begins=-1, due=-1, back=-1)
        if rng.random() < 0.5:
            self._visit(self._shares, int(rng.integers(2, 8)))  # the drift continues in the same visit
        else:
            self._pause()
        begins = len(self._rows)
        if self._kind == "gradual":
            due = self._ramp(begins)
        else:
            due = begins
            self._until(self._mixed(rng.uniform(0.6, 0.9)), np.inf, begins + DRIFT_EVENTS, starts=True)
        back = len(self._rows)
        self._until(self._mixed(0.1), np.inf, back + BACK_EVENTS)
        return self._told(habit, begins, due, back)

    def _ramp(self, begins: int) -> int:
        largest, due = float(self._shares.max()), -1
        while len(self._rows) < begins + GRADUAL_EVENTS:
            share = 0.75 * min(1.0, (len(self._rows) - begins + 1) / RAMP_EVENTS)
            if due < 0 and share > largest * (1 - share):
                due = len(self._rows)
            self._visit(self._mixed(share), self._size())
            self._pause()
        return due

    def _mixed(self, share: float) -> F64:
        mixed: F64 = self._shares * (1 - share)
        mixed[self._target] += share
        return mixed

    def _meet(self, shares: F64) -> None:
        """A first visit with an event in each habit, so that none is new later on."""
        for scenario in self._rng.permutation(np.flatnonzero(shares)).tolist():
            self._act(scenario, _HABIT)
        self._pause()

    def _until(self, shares: F64, time: float, events: int, starts: bool = False) -> None:
        """Visits until the time or the number of events is reached; `starts`: the first event is the target's."""
        rng = self._rng
        while self._now < time and len(self._rows) < events:
            kind = rng.random()
            if kind < 0.02 and not starts:
                self._visit(shares, int(rng.integers(8, 21)), one=True)
            else:
                self._visit(shares, self._size() * (4 if kind < 0.07 else 1), starts=starts)
            starts = False
            self._pause()

    def _size(self) -> int:
        return int(self._rng.geometric(1 / 5))

    def _pause(self) -> None:
        quiet = self._rng.random() < 1 / 30
        days = self._rng.uniform(5, 25) if quiet else self._rng.exponential(1 / self._visits_a_day)
        self._now += max(days * DAY_S, 1800.0)

    def _visit(self, shares: F64, events: int, one: bool = False, starts: bool = False) -> None:
        rng = self._rng
        astray = int(rng.integers(events)) if rng.random() < 1 / 12 and not one else -1
        bounds = np.cumsum(shares / shares.sum())
        here = self._target if starts else self._drawn(bounds)
        for n in range(events):
            if n == astray:
                elsewhere = int(rng.integers(SCENARIOS - STRAYS, SCENARIOS))
                for _ in range(int(rng.integers(1, 3))):
                    self._act(elsewhere, _STRAY)
            self._act(here, _BURST if one else _HABIT)
            if not one and rng.random() >= self._stay:
                here = self._drawn(bounds)

    def _drawn(self, bounds: F64) -> int:
        return min(int(np.searchsorted(bounds, self._rng.random(), side="right")), SCENARIOS - 1)

    def _act(self, scenario: int, cause: int) -> None:
        self._now += float(np.clip(self._rng.lognormal(np.log(60.0), 1.0), 1.0, 1200.0))
        self._rows.append((self._now, scenario, cause))

    def _told(self, habit: F64, begins: int, due: int, back: int) -> Course:
        rng, events = self._rng, len(self._rows)
        scenario = np.array([row[1] for row in self._rows])
        theme = np.where(rng.random(events) < 0.7, self._liked[scenario], rng.integers(THEMES, size=events))
        shelf = ITEMS_PER_SCENARIO // THEMES
        cause = np.array([row[2] for row in self._rows])
        if begins >= 0:
            cause[begins:][scenario[begins:] == self._target] = _DRIFT
        return Course(
            kind=self._kind,
            time=np.array([row[0] for row in self._rows]),
            scenario=scenario,
            item=(scenario * THEMES + theme) * shelf + rng.integers(shelf, size=events),
            action=rng.choice(len(_ACTIONS), events, p=_ACTIONS),
            cause=cause,
            habit=habit,
            target=self._target,
            begins=begins if begins >= 0 else events,
            due=due if due >= 0 else events,
            back=back if back >= 0 else events,
        )
