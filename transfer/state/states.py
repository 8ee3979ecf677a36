"""Interest states of many users as arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transfer.arrays import F64, I32, I64, U8, U32, U64
from transfer.config import InterestConfig
from transfer.rows import offsets_of, owners, rows_of, segment_sum, sizes_of
from transfer.state.aside import AsideStates, stack_aside, take_aside
from transfer.state.decay import decay
from transfer.state.declared import DeclaredStates, stack_declared, take_declared

OTHER = "(other)"
"""Name of the slot that takes the scenarios above `max_scenarios`."""

USERS = ("t_ref", "t_first", "n_events", "global_sums")
ROWS = {
    "scenario": ("sums", "counts", "extra", "life", "first", "last", "before"),
    "own": ("item", "mass", "count", "last", "action"),
    "ring": ("key", "time", "item", "action"),
}
"""Columns of each kind of rows, besides its offsets and its scenario's code."""
CODES = {"scenario": "scenario_code", "own": "own_scenario", "ring": "ring_scenario"}


@dataclass(frozen=True, slots=True, eq=False)
class InterestStates:
    """States of U users: S slots, O own items and R ring rows in all; K half-lives, A actions, D dimensions.

    A decayed sum is relative to its user's `t_ref`, the latest event time. Each user's slots ascend by
    scenario name (in bytes), own items by key and ring rows by (time, key); `scenario_names` ascends and
    holds only names in use. So equal states are equal arrays, up to rounding. Arrays are never written to.

    All but the own items is exact, a function of the set of events, as long as a user has no more than `max_scenarios`
    scenarios; what the transfer makes of a state hangs on that part alone.
    """

    half_lives_s: F64
    """(K,) ascending; what the sums decay by."""
    t_ref: F64
    """(U,) time of the latest event, -inf if none."""
    t_first: F64
    """(U,) time of the first event, +inf if none."""
    n_events: I64
    """(U,) events applied."""
    global_sums: F64
    """(U, K - 1, D) sum over all events, for each half-life but the longest (see `global_sum`)."""
    scenario_names: tuple[str, ...]
    """Names behind the codes; local to this object."""
    scenario_offsets: I64
    scenario_code: I32
    scenario_sums: F64
    """(S, D) sum over the scenario's events at the longest half-life."""
    scenario_counts: F64
    """(S, K, A) decayed number of events by half-life and action."""
    scenario_extra: F64
    """(S, K) what the mass is above that number times the action weights: 0 but for events that quantity, value or time spent
    weigh; see `masses`."""
    scenario_life: I64
    """(S, A) number of events by action, all that there ever were."""
    scenario_first: F64
    scenario_last: F64
    scenario_before: F64
    """(S,) time of the latest event that the ring has no room for any longer, -inf if there is none."""
    own_offsets: I64
    own_item: U64
    own_mass: F64
    """(O, K) decayed sum of action weights as of the item's own latest event, so that nothing is rounded until the next one;
    see `own_masses`."""
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
    aside: AsideStates | None = None
    """What speaks against items and what was merely shown; None: nobody has any. All else is of events above weight 0."""
    declared: DeclaredStates | None = None
    """What users say of themselves; None: nobody said anything."""

    @property
    def users(self) -> int:
        """Number of users, U."""
        return len(self.t_ref)

    @property
    def horizons(self) -> int:
        """Number of half-lives, K."""
        return len(self.half_lives_s)

    @property
    def dim(self) -> int:
        """Vector dimensions, D."""
        return int(self.global_sums.shape[2])

    def global_sum(self, k: int) -> F64:
        """Decayed sum over all events at half-life `k` (negative counts from the longest), (U, D) float64, a new array.

        The longest is by identity the sum of the slots and not stored.

        Raises:
            IndexError: there is no such half-life.
        """
        if not -self.horizons <= k < self.horizons:
            raise IndexError(f"half-life {k} of {self.horizons}")
        k %= self.horizons
        if k == self.horizons - 1:
            return segment_sum(self.scenario_sums, self.scenario_offsets)
        return self.global_sums[:, k].copy()

    def masses(self, weights: F64) -> F64:
        """Decayed sums of action weights of the slots, (S, K) float64; weights (A,)."""
        masses: F64 = self.scenario_counts @ weights
        masses += self.scenario_extra
        return masses

    def latest(self) -> F64:
        """(U,) time of the latest event of any kind, -inf if none."""
        return self.t_ref if self.aside is None else np.maximum(self.t_ref, self.aside.latest())

    def touched(self) -> F64:
        """(U,) time of the latest event or declaration, -inf if none."""
        latest = self.latest()
        return latest if self.declared is None else np.maximum(latest, self.declared.latest())

    def own_masses(self) -> F64:
        """Decayed sums of action weights of the own items, like all others as of the user's latest event, (O, K) float64."""
        age_s = self.t_ref[owners(self.own_offsets)] - self.own_last
        masses: F64 = self.own_mass * decay(age_s, self.half_lives_s)
        return masses

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
    horizons, actions = len(config.half_lives_s), len(config.action_names)
    offsets = np.zeros(users + 1, np.int64)
    return InterestStates(
        half_lives_s=config.half_lives,
        t_ref=np.full(users, -np.inf),
        t_first=np.full(users, np.inf),
        n_events=np.zeros(users, np.int64),
        global_sums=np.zeros((users, horizons - 1, config.dim)),
        scenario_names=(),
        scenario_offsets=offsets,
        scenario_code=np.zeros(0, np.int32),
        scenario_sums=np.zeros((0, config.dim)),
        scenario_counts=np.zeros((0, horizons, actions)),
        scenario_extra=np.zeros((0, horizons)),
        scenario_life=np.zeros((0, actions), np.int64),
        scenario_first=np.zeros(0),
        scenario_last=np.zeros(0),
        scenario_before=np.zeros(0),
        own_offsets=offsets,
        own_item=np.zeros(0, np.uint64),
        own_mass=np.zeros((0, horizons)),
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


def take_users(states: InterestStates, rows: I64) -> InterestStates:
    """States of some users, in the order of `rows`.

    >>> take_users(empty_states(3, InterestConfig()), np.array([2, 0])).users
    2
    """
    rows = np.asarray(rows, np.int64)
    columns: dict[str, Any] = {name: getattr(states, name)[rows] for name in USERS}
    for kind, names in ROWS.items():
        chosen, columns[f"{kind}_offsets"] = rows_of(getattr(states, f"{kind}_offsets"), rows)
        columns[CODES[kind]] = getattr(states, CODES[kind])[chosen]
        columns |= {f"{kind}_{name}": getattr(states, f"{kind}_{name}")[chosen] for name in names}
    table, renumber = names_in_use(states.scenario_names, columns["scenario_code"])
    columns |= {code: renumber[columns[code]] for code in CODES.values()}
    return InterestStates(
        half_lives_s=states.half_lives_s,
        scenario_names=table,
        aside=take_aside(states.aside, rows),
        declared=take_declared(states.declared, rows),
        **columns,
    )


def stack(parts: Sequence[InterestStates]) -> InterestStates:
    """States of the users of all parts, in order; at least one part, all of the same settings.

    >>> stack([empty_states(3, InterestConfig()), empty_states(1, InterestConfig())]).users
    4
    """
    table = sorted_names(*(part.scenario_names for part in parts))
    renumber = [renumbering(part.scenario_names, table) for part in parts]

    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    columns: dict[str, Any] = {name: joined(name) for name in USERS}
    for kind, names in ROWS.items():
        sizes = [sizes_of(getattr(part, f"{kind}_offsets")) for part in parts]
        columns[f"{kind}_offsets"] = offsets_of(np.concatenate(sizes))
        code = CODES[kind]
        recoded = [new[getattr(part, code)] for new, part in zip(renumber, parts, strict=True)]
        columns[code] = np.concatenate(recoded)
        columns |= {f"{kind}_{name}": joined(f"{kind}_{name}") for name in names}
    return InterestStates(
        half_lives_s=parts[0].half_lives_s,
        scenario_names=table,
        aside=stack_aside([(part.aside, part.users) for part in parts], parts[0].dim),
        declared=stack_declared([(part.declared, part.users) for part in parts], parts[0].dim),
        **columns,
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
