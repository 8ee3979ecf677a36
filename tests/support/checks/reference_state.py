"""The interest state written for reading: one event at a time, dictionaries, float64; how states compare."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from transfer.config import InterestConfig
from transfer.state.aside import AsideStates, HiddenRows, ShownRows
from transfer.state.declared import DeclaredStates
from transfer.state.states import OTHER, InterestStates
from transfer.state.terms import EventTerms


@dataclass(frozen=True)
class Event:
    """One event; `item` 0 is text alone."""

    user: int
    time: float
    key: int
    action: int
    item: int
    scenario: str
    vector: tuple[float, ...]
    weight: float = 1.0


@dataclass
class Slot:
    """A scenario of a user."""

    sum: np.ndarray
    counts: np.ndarray  # (K, A)
    extra: np.ndarray  # (K,)
    life: np.ndarray  # (A,)
    first: float
    last: float
    before: float = -np.inf


@dataclass
class Own:
    """An item that the user came to."""

    mass: np.ndarray  # (K,), at its latest event
    count: int
    latest: tuple[float, int, str]  # time, action, scenario


@dataclass
class Shown:
    """An item that was shown and not acted on."""

    count: float = 0.0  # at its latest impression
    number: int = 0
    last: float = -np.inf


@dataclass
class ReferenceState:
    """State of one user."""

    config: InterestConfig
    t_ref: float = -np.inf
    t_first: float = np.inf
    n_events: int = 0
    global_sums: np.ndarray = field(init=False)
    slots: dict[str, Slot] = field(default_factory=dict)
    own: dict[int, Own] = field(default_factory=dict)
    ring: list[tuple[float, int, int, int, str]] = field(default_factory=list)
    """time, key, item, action, scenario"""
    t_against: float = -np.inf
    n_against: int = 0
    against_mass: float = 0.0
    against: np.ndarray = field(init=False)
    hidden: list[tuple[float, int, int, int]] = field(default_factory=list)
    """time, key, item, action"""
    shown: dict[int, Shown] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.against = np.zeros(self.config.dim)
        self.global_sums = np.zeros((len(self.config.half_lives_s) - 1, self.config.dim))

    def add(self, event: Event) -> bool:
        """Apply one event; False for a duplicate."""
        weight = self.config.action_weights[event.action]
        if weight < 0:
            return self._add_against(event, -weight * event.weight)
        if weight == 0:
            self._add_shown(event)
            return True
        if any(key == event.key for _, key, *_ in self.ring):
            return False
        self._decay_to(max(self.t_ref, event.time))
        left = 0.5 ** ((self.t_ref - event.time) / self.config.half_lives)
        mass = left * weight * event.weight
        vector = np.array(event.vector)

        self.t_first = min(self.t_first, event.time)
        self.n_events += 1
        self.global_sums += mass[:-1, None] * vector

        slot = self.slots.setdefault(event.scenario, self._slot())
        slot.sum += mass[-1] * vector
        slot.counts[:, event.action] += left
        slot.extra += left * weight * (event.weight - 1)
        slot.life[event.action] += 1
        slot.first, slot.last = min(slot.first, event.time), max(slot.last, event.time)

        if event.item:
            own = self.own.setdefault(event.item, Own(np.zeros(len(mass)), 0, (-np.inf, 0, "")))
            last = max(own.latest[0], event.time)
            if own.count:
                own.mass *= self._left(last - own.latest[0])
            own.mass += self._left(last - event.time) * weight * event.weight
            own.count += 1
            own.latest = max(own.latest, (event.time, event.action, event.scenario))

        self.ring.append((event.time, event.key, event.item, event.action, event.scenario))
        self.ring.sort()
        while len(self.ring) > self.config.ring:
            time, *_, name = self.ring.pop(0)
            self.slots[name].before = max(self.slots[name].before, time)
        self._drop_items()
        self._fold_scenarios()
        return True

    def _add_against(self, event: Event, size: float) -> bool:
        if any(key == event.key for _, key, *_ in self.hidden):
            return False
        until = max(self.t_against, event.time)
        if self.n_against:
            left = self._left(until - self.t_against)[-1]
            self.against_mass, self.against = self.against_mass * left, self.against * left
        size *= self._left(until - event.time)[-1]
        self.t_against = until
        self.n_against += 1
        self.against_mass += size
        self.against = self.against + size * np.array(event.vector)
        self.hidden.append((event.time, event.key, event.item, event.action))
        self.hidden.sort()
        del self.hidden[: -self.config.hidden_items]
        return True

    def _add_shown(self, event: Event) -> None:
        if not event.item:
            return
        shown = self.shown.setdefault(event.item, Shown())
        last = max(shown.last, event.time)
        before = shown.count * self._left(last - shown.last)[-1] if shown.number else 0.0
        shown.count = before + self._left(last - event.time)[-1]
        shown.number, shown.last = shown.number + 1, last
        if len(self.shown) > self.config.most_shown:
            latest = max(one.last for one in self.shown.values())
            share = _shares(
                {item: one.count * self._left(latest - one.last)[-1:] for item, one in self.shown.items()}
            )
            lightest = sorted(self.shown, key=lambda item: (share[item], self.shown[item].last, item))
            for item in lightest[: -self.config.shown_items]:
                del self.shown[item]

    def _left(self, elapsed_s: float) -> np.ndarray:
        return 0.5 ** (elapsed_s / self.config.half_lives)

    def _decay_to(self, time: float) -> None:
        if np.isfinite(self.t_ref):
            left = 0.5 ** ((time - self.t_ref) / self.config.half_lives)
            self.global_sums *= left[:-1, None]
            for slot in self.slots.values():
                slot.sum *= left[-1]
                slot.counts *= left[:, None]
                slot.extra *= left
        self.t_ref = time

    def _slot(self) -> Slot:
        counts = np.zeros((len(self.config.half_lives_s), len(self.config.action_weights)))
        extra = np.zeros(len(counts))
        return Slot(np.zeros(self.config.dim), counts, extra, counts[0].astype(np.int64), np.inf, -np.inf)

    def _fold_scenarios(self) -> None:
        if len(self.slots) <= self.config.most_scenarios:
            return
        while len(self.slots) > self.config.max_scenarios:
            share = _shares(
                {
                    name: slot.counts @ self.config.action_weights + slot.extra
                    for name, slot in self.slots.items()
                }
            )
            lightest = min((share[name], name) for name in self.slots if name != OTHER)[1]
            slot, other = self.slots.pop(lightest), self.slots.setdefault(OTHER, self._slot())
            other.sum += slot.sum
            other.counts += slot.counts
            other.extra += slot.extra
            other.life += slot.life
            other.before = max(other.before, slot.before)
            other.first, other.last = min(other.first, slot.first), max(other.last, slot.last)
            for own in self.own.values():
                if own.latest[2] == lightest:
                    own.latest = (*own.latest[:2], OTHER)
            self.ring = [(*row[:4], OTHER if row[4] == lightest else row[4]) for row in self.ring]

    def _drop_items(self) -> None:
        if len(self.own) <= self.config.most_items:
            return
        share = _shares({i: own.mass * self._left(self.t_ref - own.latest[0]) for i, own in self.own.items()})
        lightest = sorted(self.own, key=lambda item: (share[item], self.own[item].latest[0], item))
        for item in lightest[: -self.config.own_items]:
            del self.own[item]


def _shares(masses: dict) -> dict:
    """Share of the mass at each half-life, summed over the half-lives, to 12 bits."""
    total = sum(masses.values())
    return {
        key: _twelve_bits(float(sum(m / t for m, t in zip(mass, total, strict=True) if t > 0)))
        for key, mass in masses.items()
    }


def _twelve_bits(value: float) -> float:
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 4096), exponent - 12)


def reference_states(
    events: Sequence[Event], users: int, config: InterestConfig
) -> tuple[InterestStates, list[bool]]:
    """Apply events one at a time; the states as arrays, and whether each event was applied."""
    each = [ReferenceState(config) for _ in range(users)]
    applied = [each[event.user].add(event) for event in events]
    return as_arrays(each, config), applied


def as_arrays(each: Sequence[ReferenceState], config: InterestConfig) -> InterestStates:
    """The same states in the form of the fast path."""
    names = sorted({name for state in each for name in state.slots})
    slots = [state.slots[name] for state in each for name in sorted(state.slots)]
    own = [(item, state.own[item]) for state in each for item in sorted(state.own)]
    ring = [row for state in each for row in state.ring]
    dim, horizons, actions = config.dim, len(config.half_lives_s), len(config.action_weights)
    return InterestStates(
        half_lives_s=config.half_lives,
        t_ref=np.array([state.t_ref for state in each]),
        t_first=np.array([state.t_first for state in each]),
        n_events=np.array([state.n_events for state in each], np.int64),
        global_sums=np.array([state.global_sums for state in each], np.float64),
        scenario_names=tuple(names),
        scenario_offsets=_offsets([len(state.slots) for state in each]),
        scenario_code=np.array(
            [names.index(name) for state in each for name in sorted(state.slots)], np.int32
        ),
        scenario_sums=np.array([slot.sum for slot in slots], np.float64).reshape(-1, dim),
        scenario_counts=np.array([slot.counts for slot in slots], np.float64).reshape(-1, horizons, actions),
        scenario_extra=np.array([slot.extra for slot in slots], np.float64).reshape(-1, horizons),
        scenario_life=np.array([slot.life for slot in slots], np.int64).reshape(-1, actions),
        scenario_first=np.array([slot.first for slot in slots]),
        scenario_last=np.array([slot.last for slot in slots]),
        scenario_before=np.array([slot.before for slot in slots]),
        own_offsets=_offsets([len(state.own) for state in each]),
        own_item=np.array([item for item, _ in own], np.uint64),
        own_mass=np.array([row.mass for _, row in own], np.float64).reshape(-1, horizons),
        own_count=np.array([row.count for _, row in own], np.uint32),
        own_last=np.array([row.latest[0] for _, row in own]),
        own_action=np.array([row.latest[1] for _, row in own], np.uint8),
        own_scenario=np.array([names.index(row.latest[2]) for _, row in own], np.int32),
        ring_offsets=_offsets([len(state.ring) for state in each]),
        ring_key=np.array([row[1] for row in ring], np.uint64),
        ring_time=np.array([row[0] for row in ring]),
        ring_item=np.array([row[2] for row in ring], np.uint64),
        ring_action=np.array([row[3] for row in ring], np.uint8),
        ring_scenario=np.array([names.index(row[4]) for row in ring], np.int32),
        aside=_aside_arrays(each, config),
    )


def _aside_arrays(each: Sequence[ReferenceState], config: InterestConfig) -> AsideStates | None:
    if not any(state.hidden or state.shown for state in each):
        return None
    hidden = [row for state in each for row in state.hidden]
    shown = [(item, state.shown[item]) for state in each for item in sorted(state.shown)]
    return AsideStates(
        t_against=np.array([state.t_against for state in each]),
        n_against=np.array([state.n_against for state in each], np.int64),
        mass=np.array([state.against_mass for state in each]),
        sums=np.array([state.against for state in each]).reshape(-1, config.dim),
        hidden=HiddenRows(
            _offsets([len(state.hidden) for state in each]),
            np.array([row[1] for row in hidden], np.uint64),
            np.array([row[0] for row in hidden], np.float64),
            np.array([row[2] for row in hidden], np.uint64),
            np.array([row[3] for row in hidden], np.uint8),
        ),
        shown=ShownRows(
            _offsets([len(state.shown) for state in each]),
            np.array([item for item, _ in shown], np.uint64),
            np.array([one.count for _, one in shown], np.float64),
            np.array([one.number for _, one in shown], np.uint32),
            np.array([one.last for _, one in shown], np.float64),
        ),
    )


def terms_of(events: Sequence[Event], dim: int) -> EventTerms:
    """The same events in the form of the fast path; names in order of appearance."""
    names = list(dict.fromkeys(event.scenario for event in events))
    return EventTerms(
        user=np.array([event.user for event in events], np.int32),
        time=np.array([event.time for event in events], np.float64),
        key=np.array([event.key for event in events], np.uint64),
        action=np.array([event.action for event in events], np.uint8),
        item=np.array([event.item for event in events], np.uint64),
        scenario=np.array([names.index(event.scenario) for event in events], np.int32),
        scenario_names=tuple(names),
        vectors=np.array([event.vector for event in events], np.float32).reshape(-1, dim),
        vector=np.arange(len(events), dtype=np.int32),
        weight=None
        if all(event.weight == 1 for event in events)
        else np.array([event.weight for event in events]),
    )


EXACT = (
    *("t_ref", "t_first", "n_events", "scenario_offsets", "scenario_code", "scenario_life"),
    *("scenario_first", "scenario_last", "scenario_before"),
    *("own_offsets", "own_item", "own_count", "own_last", "own_action", "own_scenario"),
    *("ring_offsets", "ring_key", "ring_time", "ring_item", "ring_action", "ring_scenario"),
)


def max_relative_error(a: InterestStates, b: InterestStates) -> float:
    """Largest difference in any decayed sum, relative to the largest number of that array of that user.

    Raises:
        AssertionError: ids, names, times or counts differ, or a number is not finite.
    """
    assert a.scenario_names == b.scenario_names, f"names: {a.scenario_names} != {b.scenario_names}"
    for name in EXACT:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    every_user = np.arange(a.users + 1)
    return max(
        *(_error(a.global_sums[:, k], b.global_sums[:, k], every_user) for k in range(a.horizons - 1)),
        _error(a.scenario_sums, b.scenario_sums, a.scenario_offsets),
        _error(a.scenario_counts, b.scenario_counts, a.scenario_offsets),
        _error(a.scenario_extra, b.scenario_extra, a.scenario_offsets),
        _error(a.own_mass, b.own_mass, a.own_offsets),
        _aside_error(a.aside, b.aside),
        _declared_error(a.declared, b.declared),
    )


def _declared_error(a: DeclaredStates | None, b: DeclaredStates | None) -> float:
    """Each declaration is the very same."""
    assert (a is None) == (b is None), "one side alone has declarations"
    if a is None or b is None:
        return 0.0
    for name in ("withdrawn", "offsets", "time", "digest"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert (a.scenario, a.text, a.language) == (b.scenario, b.text, b.language)
    # A text is encoded in other company, which may change the last bits.
    np.testing.assert_allclose(a.vector, b.vector, atol=1e-5)
    return 0.0


def _aside_error(a: AsideStates | None, b: AsideStates | None) -> float:
    assert (a is None) == (b is None), "one side alone has something aside"
    if a is None or b is None:
        return 0.0
    np.testing.assert_array_equal(a.t_against, b.t_against)
    np.testing.assert_array_equal(a.n_against, b.n_against)
    for name in ("offsets", "key", "time", "item", "action"):
        np.testing.assert_array_equal(getattr(a.hidden, name), getattr(b.hidden, name), err_msg=name)
    for name in ("offsets", "item", "number", "last"):
        np.testing.assert_array_equal(getattr(a.shown, name), getattr(b.shown, name), err_msg=name)
    every_user = np.arange(a.users + 1)
    return max(
        _error(a.mass, b.mass, every_user),
        _error(a.sums, b.sums, every_user),
        _error(a.shown.count, b.shown.count, a.shown.offsets),
    )


def _error(x: np.ndarray, y: np.ndarray, offsets: np.ndarray) -> float:
    assert x.shape == y.shape, f"shapes {x.shape} and {y.shape}"
    assert x.dtype == y.dtype == np.float64
    if not x.size:
        return 0.0
    x, y = (side.reshape(len(side), -1).astype(np.float64) for side in (x, y))
    assert np.isfinite(x).all() and np.isfinite(y).all(), "a number is not finite"
    filled = np.diff(offsets) > 0
    starts = offsets[:-1][filled]
    scale = np.maximum.reduceat(np.maximum(np.abs(x), np.abs(y)).max(axis=1), starts)
    difference = np.maximum.reduceat(np.abs(x - y).max(axis=1), starts)
    return float((difference / np.where(scale > 0, scale, 1.0)).max())


def _offsets(sizes: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
