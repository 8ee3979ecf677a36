"""Why a user's vector is where it is: scenario weights, emergence, masses, recent events, what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from streams.serving.aside_ranker import aside_factors, hidden_items
from streams.serving.recommend import read_state
from streams.serving.summary import WeightedScenario, summary
from streams.workspace.workspace import Workspace
from transfer.analytic.model import AnalyticTransfer
from transfer.arrays import F32
from transfer.state.emergence import scenario_features
from transfer.state.states import InterestStates


@dataclass(frozen=True, slots=True)
class ScenarioLine:
    """One scenario. `share` is what mass alone would give it; `moved` = weight - share is what emergence and the longer memory
    of the model moved."""

    name: str
    weight: float
    emergence: float
    mass: float
    share: float
    moved: float
    z: float
    recency_s: float


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """One event of the ring. item_id and title are "" for a text, or an item that left the catalogue."""

    timestamp: float
    action: str
    scenario: str
    item_id: str
    title: str


@dataclass(frozen=True, slots=True)
class HiddenItem:
    """An item that is not shown for now, and the event that hid it."""

    timestamp: float
    action: str
    item_id: str
    title: str


@dataclass(frozen=True, slots=True)
class FadedItem:
    """An item that was shown and not acted on: how often in all, and by what its probability is multiplied now."""

    timestamp: float
    times: int
    factor: float
    item_id: str
    title: str


@dataclass(frozen=True, slots=True)
class DeclaredInterest:
    """A text that the user said of a scenario, "" of all. similarity: to the fused vector, from -1 to 1."""

    timestamp: float
    scenario: str
    text: str
    language: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """All of it, scenarios by weight and events latest first."""

    user_id: str
    summary: str
    """what happened, in one sentence"""
    events: int
    """acts: events of a weight above 0"""
    against: int
    """events of a weight below 0"""
    own_items: int
    updated_at: float
    scenarios: Sequence[ScenarioLine]
    recent: Sequence[RecentEvent]
    hidden: Sequence[HiddenItem] = ()
    """latest first"""
    shown: Sequence[FadedItem] = ()
    """those that faded most first"""
    declared: Sequence[DeclaredInterest] = ()
    """what the user says, by scenario, that of all scenarios first"""
    declared_share: float = 0.0
    """how much of the fused vector is what the user declared: c / (m + c); of a trained model 0, which ranks by it otherwise"""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def explain(workspace: Workspace, user_id: str, recent: int = 20) -> Explanation:
    """Explain one user from the stored state.

    Raises:
        UserNotFound: the store has no such user.
    """
    states = read_state(workspace, user_id)
    fusion = workspace.model(states)
    features = scenario_features(states, workspace.interest, workspace.settings.transfer)
    updated_at = float(states.touched()[0])
    names = states.slot_names(0)
    lines = [
        ScenarioLine(
            name=names[slot],
            weight=float(fusion.weights[slot]),
            emergence=float(fusion.emergence[slot]),
            mass=float(fusion.mass[slot]),
            share=float(features.share[slot]),
            moved=float(fusion.weights[slot] - features.share[slot]),
            z=float(features.z[slot]),
            recency_s=float(features.recency_s[slot] + updated_at - states.t_ref[0]),
        )
        for slot in np.argsort(-fusion.weights, kind="stable").tolist()
    ]
    rows = range(len(states.ring_time) - 1, max(-1, len(states.ring_time) - 1 - recent), -1)
    keys = sorted({int(states.ring_item[row]) for row in rows} - {0})
    items = dict(zip(keys, workspace.store.items.read(keys), strict=True))
    events = []
    for row in rows:
        item = items.get(int(states.ring_item[row]))
        events.append(
            RecentEvent(
                timestamp=float(states.ring_time[row]),
                action=workspace.interest.action_names[states.ring_action[row]],
                scenario=states.scenario_names[states.ring_scenario[row]],
                item_id=item.item_id if item else "",
                title=item.title if item else "",
            )
        )
    latest = [
        (float(time), states.scenario_names[scenario])
        for time, scenario in zip(states.ring_time, states.ring_scenario.tolist(), strict=True)
    ]
    return Explanation(
        user_id=user_id,
        summary=summary(
            [WeightedScenario(line.name, line.weight, line.moved) for line in lines],
            latest,
            updated_at,
        ),
        events=int(states.n_events[0]),
        own_items=len(states.own_item),
        against=0 if states.aside is None else int(states.aside.n_against[0]),
        updated_at=updated_at,
        scenarios=lines,
        recent=events,
        hidden=_hidden(workspace, states, recent),
        shown=_faded(workspace, states, recent),
        declared=_declared(states, fusion.fused[0]),
        declared_share=_declared_share(workspace, states),
    )


def _declared(states: InterestStates, fused: F32) -> list[DeclaredInterest]:
    if states.declared is None:
        return []
    return [
        DeclaredInterest(row.time, row.scenario, row.text, row.language, float(row.vector @ fused))
        for row in states.declared.texts(0)
    ]


def _declared_share(workspace: Workspace, states: InterestStates) -> float:
    declared, worth = states.declared, workspace.settings.transfer.declared
    if declared is None or not declared.speaks()[0] or not isinstance(workspace.model, AnalyticTransfer):
        return 0.0
    mass = float(states.masses(workspace.interest.action_weights)[:, -1].sum())
    return worth / (mass + worth) if worth else 0.0


def _hidden(workspace: Workspace, states: InterestStates, most: int) -> list[HiddenItem]:
    if states.aside is None:
        return []
    rows = states.aside.hidden
    keys = hidden_items(states, 0, workspace.settings.serving)
    latest = {key: row for row, key in enumerate(rows.item.tolist()) if key in set(keys.tolist())}
    chosen = sorted(latest.values(), reverse=True)[:most]
    names = _named(workspace, [int(rows.item[row]) for row in chosen])
    return [
        HiddenItem(float(rows.time[row]), workspace.interest.action_names[rows.action[row]], *name)
        for row, name in zip(chosen, names, strict=True)
    ]


def _faded(workspace: Workspace, states: InterestStates, most: int) -> list[FadedItem]:
    if states.aside is None:
        return []
    shown, interest = states.aside.shown, workspace.interest
    keys, factors = aside_factors(states, 0, interest.half_lives_s[-1], workspace.settings.serving)
    factor = dict(zip(keys.tolist(), factors.tolist(), strict=True))
    rows = [row for row, key in enumerate(shown.item.tolist()) if 0 < factor[key] < 1]
    rows = sorted(rows, key=lambda row: (factor[int(shown.item[row])], -shown.last[row]))[:most]
    names = _named(workspace, [int(shown.item[row]) for row in rows])
    return [
        FadedItem(float(shown.last[row]), int(shown.number[row]), factor[int(shown.item[row])], *name)
        for row, name in zip(rows, names, strict=True)
    ]


def _named(workspace: Workspace, keys: Sequence[int]) -> list[tuple[str, str]]:
    """Id and title of each item, "" of one that is not in the store."""
    records = workspace.store.items.read(list(keys))
    return [("", "") if one is None else (one.item_id, one.title) for one in records]
