"""Interest states of many users as arrays."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from transfer.arrays import F32, F64, I32, I64, U8, U32, U64
from transfer.config import ACTIONS, InterestConfig
from transfer.rows import owners, rows_of, segment_sum

OTHER = "(other)"
"""Name of the slot that takes the scenarios above `max_scenarios`."""


@dataclass(frozen=True, slots=True, eq=False)
class InterestStates:
    """States of U users: S slots, O own items and R ring rows in all; K half-lives, A actions, D dimensions.

    A decayed sum is relative to its user's `t_ref`, the latest event time. Each user's slots ascend by
    scenario name (in bytes), own items by key and ring rows by (time, key); `scenario_names` ascends and
    holds only names in use. So equal states are equal arrays, up to rounding. Arrays are never written to.
    """

    t_ref: F64
    """(U,) time of the latest event, -inf if none."""
    t_first: F64
    """(U,) time of the first event, +inf if none."""
    n_events: I64
    """(U,) events applied."""
    global_sums: F32
    """(U, K - 1, D) sum over all events, for each half-life but the longest (see `global_sum`)."""
    scenario_names: tuple[str, ...]
    """Names behind the codes; local to this object."""
    scenario_offsets: I64
    scenario_code: I32
    scenario_sums: F32
    """(S, D) sum over the scenario's events at the longest half-life."""
    scenario_counts: F32
    """(S, K, A) decayed number of events by half-life and action; times the action weights it is the mass."""
    scenario_first: F64
    scenario_last: F64
    own_offsets: I64
    own_item: U64
    own_mass: F32
    """(O, K) decayed sum of action weights."""
    own_count: U32
    own_last: F64
    """(O,) latest time; of it the action and scenario (on a tie the greater action, then name)."""
    own_action: U8
    own_scenario: I32
    ring_offsets: I64
    ring_key: U64
    ring_time: F64
    ring_item: U64
    """(R,) item key, 0 for text alone."""
    ring_action: U8
    ring_scenario: I32

    @property
    def users(self) -> int:
        """Number of users, U."""
        return len(self.t_ref)

    @property
    def horizons(self) -> int:
        """Number of half-lives, K."""
        return int(self.global_sums.shape[1]) + 1

    @property
    def dim(self) -> int:
        """Vector dimensions, D."""
        return int(self.global_sums.shape[2])

    def global_sum(self, k: int) -> F64:
        """Decayed sum over all events at half-life `k` (negative counts from the longest), (U, D) float64.

        The longest is by identity the sum of the slots and not stored.

        Raises:
            IndexError: there is no such half-life.
        """
        if not -self.horizons <= k < self.horizons:
            raise IndexError(f"half-life {k} of {self.horizons}")
        k %= self.horizons
        if k == self.horizons - 1:
            return segment_sum(self.scenario_sums, self.scenario_offsets)
        return self.global_sums[:, k].astype(np.float64)

    def slot_users(self) -> I64:
        """User row of every scenario slot, (S,) int64."""
        return owners(self.scenario_offsets)

    def slot_names(self, row: int) -> list[str]:
        """Scenario names of one user's slots, in slot order."""
        codes = self.scenario_code[self.scenario_offsets[row] : self.scenario_offsets[row + 1]]
        return [self.scenario_names[code] for code in codes.tolist()]


def empty_states(users: int, config: InterestConfig) -> InterestStates:
    """States of users without events.

    >>> empty_states(2, InterestConfig(dim=8)).global_sum(-1).shape
    (2, 8)
    """
    horizons = len(config.half_lives_s)
    offsets = np.zeros(users + 1, np.int64)
    return InterestStates(
        t_ref=np.full(users, -np.inf),
        t_first=np.full(users, np.inf),
        n_events=np.zeros(users, np.int64),
        global_sums=np.zeros((users, horizons - 1, config.dim), np.float32),
        scenario_names=(),
        scenario_offsets=offsets,
        scenario_code=np.zeros(0, np.int32),
        scenario_sums=np.zeros((0, config.dim), np.float32),
        scenario_counts=np.zeros((0, horizons, len(ACTIONS)), np.float32),
        scenario_first=np.zeros(0),
        scenario_last=np.zeros(0),
        own_offsets=offsets,
        own_item=np.zeros(0, np.uint64),
        own_mass=np.zeros((0, horizons), np.float32),
        own_count=np.zeros(0, np.uint32),
        own_last=np.zeros(0),
        own_action=np.zeros(0, np.uint8),
        own_scenario=np.zeros(0, np.int32),
        ring_offsets=offsets,
        ring_key=np.zeros(0, np.uint64),
        ring_time=np.zeros(0),
        ring_item=np.zeros(0, np.uint64),
        ring_action=np.zeros(0, np.uint8),
        ring_scenario=np.zeros(0, np.int32),
    )


def take(states: InterestStates, rows: I64) -> InterestStates:
    """States of some users, in the order of `rows`.

    >>> take(empty_states(3, InterestConfig()), np.array([2, 0])).users
    2
    """
    rows = np.asarray(rows, np.int64)
    slots, slot_offsets = rows_of(states.scenario_offsets, rows)
    own, own_offsets = rows_of(states.own_offsets, rows)
    ring, ring_offsets = rows_of(states.ring_offsets, rows)
    names, renumber = names_in_use(states.scenario_names, states.scenario_code[slots])
    return InterestStates(
        t_ref=states.t_ref[rows],
        t_first=states.t_first[rows],
        n_events=states.n_events[rows],
        global_sums=states.global_sums[rows],
        scenario_names=names,
        scenario_offsets=slot_offsets,
        scenario_code=renumber[states.scenario_code[slots]],
        scenario_sums=states.scenario_sums[slots],
        scenario_counts=states.scenario_counts[slots],
        scenario_first=states.scenario_first[slots],
        scenario_last=states.scenario_last[slots],
        own_offsets=own_offsets,
        own_item=states.own_item[own],
        own_mass=states.own_mass[own],
        own_count=states.own_count[own],
        own_last=states.own_last[own],
        own_action=states.own_action[own],
        own_scenario=renumber[states.own_scenario[own]],
        ring_offsets=ring_offsets,
        ring_key=states.ring_key[ring],
        ring_time=states.ring_time[ring],
        ring_item=states.ring_item[ring],
        ring_action=states.ring_action[ring],
        ring_scenario=renumber[states.ring_scenario[ring]],
    )


def sorted_names(*tables: Iterable[str]) -> tuple[str, ...]:
    """Union of tables of names, ascending (code points ascend as UTF-8 bytes do).

    >>> sorted_names(["shoes", "books"], ["books", "(other)"])
    ('(other)', 'books', 'shoes')
    """
    return tuple(sorted(set().union(*tables)))


def renumbering(old: Iterable[str], new: tuple[str, ...]) -> I32:
    """For each code of `old` its code in `new`, which has all its names.

    >>> renumbering(("shoes", "books"), ("books", "shoes")).tolist()
    [1, 0]
    """
    code = {name: position for position, name in enumerate(new)}
    return np.array([code[name] for name in old], np.int32)


def names_in_use(names: tuple[str, ...], codes: I32) -> tuple[tuple[str, ...], I32]:
    """The names that `codes` refer to, and for each old code its new one (-1: not in use)."""
    used = np.flatnonzero(np.bincount(codes, minlength=len(names)))
    renumber = np.full(len(names), -1, np.int32)
    renumber[used] = np.arange(len(used), dtype=np.int32)
    return tuple(names[code] for code in used.tolist()), renumber
