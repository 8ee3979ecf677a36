"""Why an item is recommended: the scenario and the event of the ring that speak for it most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sinks.points import ItemRecord
from streams.serving.ranker import Reason
from transfer.arrays import F32, F64
from transfer.config import InterestConfig
from transfer.state.states import InterestStates


@dataclass(frozen=True, slots=True)
class Because:
    """scenario: where the interest comes from. The event that spoke for it, if one did: its item (or "" for one that left
    the catalogue), action and time. declared: the text that did, where the user said so."""

    scenario: str
    item_id: str = ""
    title: str = ""
    action: str = ""
    timestamp: float | None = None
    declared: str = ""


class Reasons:
    """What one user's ring and own items say; states: of that user alone."""

    def __init__(
        self, states: InterestStates, items: Mapping[int, ItemRecord | None], interest: InterestConfig
    ) -> None:
        """items: the ring's and the own items by key, with vectors; None for those that are not in the store."""
        self._states = states
        self._actions = interest.action_names
        self._items = items
        self._own = {key: row for row, key in enumerate(states.own_item.tolist())}
        self._rows: list[int] = []
        vectors: list[F32] = []
        self._latest: dict[int, int] = {}
        for row, key in enumerate(states.ring_item.tolist()):
            record = items.get(key)
            self._latest[key] = row
            if record is not None and record.vector is not None:
                self._rows.append(row)
                vectors.append(record.vector)
        self._vectors = np.stack(vectors) if vectors else np.zeros((0, interest.dim), np.float32)
        # As an event counts in the sums of the middle half-life: neither the last minute alone nor all of the past.
        half_life = interest.half_lives_s[len(interest.half_lives_s) // 2]
        rows = np.array(self._rows, np.int64)
        age = states.t_ref[0] - states.ring_time[rows] if len(rows) else np.zeros(0)
        self._mass: F64 = interest.action_weights[states.ring_action[rows]] * 0.5 ** (age / half_life)

    def of(self, reason: Reason, item: ItemRecord) -> Because | None:
        """What stands behind a ranker's reason for an item that has its vector."""
        match reason.source:
            case "again":
                return self.of_own(item.key)
            case "next" if reason.lead:
                return self.of_leading(reason.lead)
            case "declared":
                return Because(reason.lender, declared=reason.text)
            case "new":
                event = None if item.vector is None else self.of_vector(item.vector, reason.lender or None)
                return event or (Because(reason.lender) if reason.lender else None)
        return Because(reason.scenario or item.scenario)

    def of_own(self, key: int) -> Because | None:
        """The latest event on this very item; from the own items where the ring no longer holds it."""
        if key in self._latest:
            return self._event(self._latest[key])
        row = self._own.get(key)
        if row is None:
            return None
        states = self._states
        return Because(
            scenario=states.scenario_names[states.own_scenario[row]],
            **self._named(key),
            action=self._actions[states.own_action[row]],
            timestamp=float(states.own_last[row]),
        )

    def of_vector(self, vector: F32, scenario: str | None = None) -> Because | None:
        """The event (of the scenario, if one is named) whose item's vector times its decayed weight gives most of the
        similarity to `vector` (D,); None where none is similar."""
        share = (self._vectors @ vector) * self._mass
        if scenario is not None:
            names = self._states.scenario_names
            in_scenario = [names[self._states.ring_scenario[row]] == scenario for row in self._rows]
            share = np.where(in_scenario, share, 0.0)
        if not (share > 0).any():
            return None
        return self._event(self._rows[int(np.argmax(share))])

    def of_leading(self, key: int) -> Because | None:
        """The latest event on the item that leads to it."""
        return self._event(self._latest[key]) if key in self._latest else None

    def _event(self, row: int) -> Because:
        states = self._states
        return Because(
            scenario=states.scenario_names[states.ring_scenario[row]],
            **self._named(int(states.ring_item[row])),
            action=self._actions[states.ring_action[row]],
            timestamp=float(states.ring_time[row]),
        )

    def _named(self, key: int) -> dict[str, str]:
        record = self._items.get(key)
        return {"item_id": record.item_id, "title": record.title} if record is not None else {}
