"""What every transfer model takes and gives."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

from transfer.arrays import F32, I64, U64
from transfer.config import InterestConfig
from transfer.names import NameLookup, NameSource
from transfer.state.states import InterestStates


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """Read-out of the states of U users with S scenario slots (rows as in the states), all finite."""

    fused: F32
    """(U, D) unit vectors."""
    weights: F32
    """(S,) weight of each scenario; sums to 1 per user."""
    emergence: F32
    """(S,) log-ratio, 0 is steady."""
    mass: F32
    """(S,) decayed sum of action weights."""
    interests: F32
    """(R, D) unit vectors, the weightiest scenario of a user first."""
    interest_offsets: I64
    """(U + 1,) each user's rows of `interests`."""


def scenario_weights(states: InterestStates, fusion: Fusion) -> list[dict[str, float]]:
    """Scenario name -> weight of each user, heaviest first."""
    names = states.scenario_names
    codes, weights = states.scenario_code.tolist(), fusion.weights.tolist()
    result = []
    bounds = states.scenario_offsets.tolist()
    for start, end in pairwise(bounds):
        ranked = sorted(range(start, end), key=lambda row: (-weights[row], codes[row]))
        result.append({names[codes[row]]: weights[row] for row in ranked})
    return result


class TransferModel(Protocol):
    """A pure function of states; equal states and fingerprint give equal fusions."""

    @property
    def fingerprint(self) -> str:
        """Short text that changes whenever the model would answer otherwise."""
        ...

    def __call__(self, states: InterestStates) -> Fusion:
        """Fuse the states of many users at once."""
        ...

    def scenario_query(self, states: InterestStates, row: int, name: str) -> F32:
        """(D,) unit vector to search with for one user who is in the scenario `name` now."""
        ...


@runtime_checkable
class ItemTower(Protocol):
    """A transfer model whose queries are compared with vectors of its own, not with the items' base vectors."""

    def item_vectors(self, keys: U64, base: F32) -> F32:
        """Keys (N,) uint64 and base vectors (N, D) to the vectors (N, D) float32 that the items are searched by."""
        ...


@runtime_checkable
class ActionReader(Protocol):
    """A transfer model that was trained with actions, to which states may have gained others."""

    def read_states_of(self, interest: InterestConfig) -> None:
        """Take states of these settings from now on.

        Raises:
            ModelError: an action has another weight than in training.
        """
        ...


@runtime_checkable
class ItemReader(Protocol):
    """A transfer model that reads the items of the ring, also those that its training has not seen."""

    @property
    def interest(self) -> InterestConfig:
        """Of the states that it reads."""
        ...

    @property
    def name_source(self) -> NameSource:
        """What its vectors of scenario names are made of."""
        ...

    def bind(
        self,
        lookup: Callable[[U64], tuple[F32, I64]] | None,
        encode_names: NameLookup | None,
    ) -> None:
        """lookup: (N,) item keys to (N, D) base vectors, zeros for none, and (N,) zeros; encode_names: names of scenarios
        to (n, D) vectors, None: as in training."""
        ...
