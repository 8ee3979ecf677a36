"""Events for tests of the interest state: generated ones, and a user whose life is told in a few lines."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from support.checks.reference_state import Event, terms_of
from transfer.config import InterestConfig
from transfer.state.states import InterestStates, empty_states
from transfer.state.update import apply_events

SMALL = InterestConfig(dim=6, half_lives_s=(600.0, 86400.0, 2592000.0), own_items=200, ring=128)
NAMES = ("books", "shoes", "garden", "(other)", "a longer name: ünï¢ødé 🛒", "books ")


def unit_vector(seed: int, dim: int) -> tuple[float, ...]:
    """A unit vector that float32 holds exactly."""
    vector = np.random.default_rng(seed).standard_normal(dim)
    return tuple((vector / np.linalg.norm(vector)).astype(np.float32).astype(np.float64).tolist())


@st.composite
def event_lists(draw: st.DrawFn, users: int = 3, max_size: int = 40, dim: int = SMALL.dim) -> list[Event]:
    """Events with distinct keys: out of order, at equal times, seconds to years apart."""
    span = draw(st.sampled_from([1.0, 3600.0, 86400.0 * 40, 86400.0 * 3650]))
    moments = st.one_of(st.integers(0, 5).map(lambda step: step * span / 5), st.floats(0, span))
    size = draw(st.integers(0, max_size))  # lists alone are mostly short
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, users - 1),
                moments,
                st.integers(0, 2),
                st.integers(0, 8),
                st.sampled_from(NAMES),
                st.integers(0, 20),
            ),
            min_size=size,
            max_size=size,
        )
    )
    # The key orders nothing in time: multiply it through the 64 bits.
    return [
        Event(
            user,
            1.7e9 + time,
            (n + 1) * 0x9E3779B97F4A7C15 % 2**64,
            action,
            item,
            name,
            unit_vector(seed, dim),
        )
        for n, (user, time, action, item, name, seed) in enumerate(rows)
    ]


def applied(
    batches: Sequence[Sequence[Event]],
    config: InterestConfig,
    users: int = 3,
    states: InterestStates | None = None,
) -> InterestStates:
    """States after batches of events."""
    states = states or empty_states(users, config)
    for batch in batches:
        states, _ = apply_events(states, terms_of(batch, config.dim), config)
    return states


class Life:
    """One user: `life.act("books", time_s)` adds an event there, its vector near the scenario's direction."""

    def __init__(self, config: InterestConfig | None = None, seed: int = 0) -> None:
        self.config = config or InterestConfig(dim=32)
        self.events = 0
        self.states = empty_states(1, self.config)
        self._rng = np.random.default_rng(seed)

    def direction(self, scenario: str) -> np.ndarray:
        """Unit vector that the scenario's items lie around."""
        return np.array(unit_vector(sum(scenario.encode()), self.config.dim))

    def act(self, scenario: str, *times: float, action: int = 1, item: int | None = None) -> None:
        """Events at the given times, in one batch."""
        batch = []
        for time in times:
            self.events += 1
            vector = self.direction(scenario) + 0.05 * self._rng.standard_normal(self.config.dim)
            vector /= np.linalg.norm(vector)
            chosen = int(self._rng.integers(1, 10**6)) if item is None else item
            batch.append(Event(0, float(time), self.events, action, chosen, scenario, tuple(vector)))
        self.states = applied([batch], self.config, states=self.states)

    def mix(self, shares: dict[str, float], start: float, end: float, events: int) -> None:
        """A steady user: events at random moments, each scenario with its share."""
        times = np.sort(self._rng.uniform(start, end, events))
        names = self._rng.choice(list(shares), events, p=list(shares.values()))
        for name in shares:
            self.act(name, *times[names == name])
