"""What to show a user: new items near the fused vector, and the user's own items again, in one readable mixture.

    p(i) = g p_again(i) + (1 - g) p_new(i)

g is the smoothed share of repeats in the user's own history (`transfer.analytic.again.repeat_share`); p_again the decayed
counts and recency of the own items (`transfer.analytic.again.again_scores`); p_new a softmax of the cosine similarity over
the items that the search found, at temperature `NEW_TEMPERATURE`. With a trained model its own mixture takes the
place of this one, over all items and with two more components (`streams.serving.mixture_ranker`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from sinks.points import ItemRecord, ScoredItem, item_key
from streams.errors import UserNotFound
from streams.serving.because import Because, Reasons
from streams.workspace.workspace import Workspace
from transfer.analytic.again import again_scores, repeat_share
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates

if TYPE_CHECKING:
    from streams.serving.served_items import Served, ServedItems

Mode = Literal["new", "again", "mixed"]
MODES: tuple[str, ...] = get_args(Mode)

NEW_TEMPERATURE = 0.05
"""Cosines of whitened vectors differ by tenths: at this temperature the best few of the candidates carry the mass."""
CANDIDATES = 100
"""New items that compete, at least; the softmax is over these."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item of the answer. source: "new", "again", and of a trained model "next" or "popular"; score: its probability
    in the mixture; because: what speaks for it most."""

    item_id: str
    title: str
    scenario: str
    score: float
    source: str
    because: Because | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def recommend(
    workspace: Workspace,
    user_id: str,
    k: int = 10,
    scenario: str | None = None,
    mode: Mode = "mixed",
    exclude_seen: bool = False,
    served: ServedItems | None = None,
) -> list[Recommendation]:
    """The best `k` items for the user, best first.

    With `scenario` the query is that scenario's slot blended with the user's global interest, and both sources are
    limited to items of that scenario, where items belong to it; a scenario without items of its own (an entry page,
    say) takes all items. `exclude_seen` leaves out whatever the state still knows the user to have met, in
    the own items and in the ring. `served` is for many calls with a trained model: without it all items are read for each.

    Raises:
        UserNotFound: the store has no such user.
    """
    states, fused = read_state(workspace, user_id)
    served = served or served_of(workspace)
    if served is not None:
        return _by_model(workspace, states, k, scenario, mode, exclude_seen, served.get())
    query = fused if scenario is None else workspace.model.scenario_query(states, 0, scenario)
    again: list[Recommendation] = []
    new: list[Recommendation] = []
    gate = float(repeat_share(states, workspace.settings.transfer)[0])
    within = scenario if scenario is not None and has_items(workspace, scenario) else None
    if mode != "new" and not exclude_seen:
        again = _again(workspace, states, within)
    if mode != "again":
        known = {*states.own_item.tolist(), *states.ring_item.tolist()} - {0}
        found = workspace.store.items.search(query, max(k, CANDIDATES), within, sorted(known))
        new = _new(found)
    if mode == "mixed" and again and new:
        again = [_scaled(item, gate) for item in again]
        new = [_scaled(item, 1 - gate) for item in new]
    return _explained(workspace, states, mixture(again, new, k))


def has_items(workspace: Workspace, scenario: str, served: ServedItems | None = None) -> bool:
    """Whether items belong to the scenario, so that a request that names it is about them alone; else all items compete."""
    served = served or served_of(workspace)
    if served is not None:
        space, code = served.get().asked(scenario)
        return code >= 0 and space.has_item_scenarios
    anywhere = np.eye(1, workspace.interest.dim, dtype=np.float32)[0]
    return bool(workspace.store.items.search(anywhere, 1, scenario))


def served_of(workspace: Workspace) -> ServedItems | None:
    """What calls of `recommend` and `has_items` may share: all items, read at most once a minute. None of the analytic
    model, which searches the store."""
    if getattr(workspace.model, "mixture", None) is None:
        return None
    from streams.serving.served_items import ServedItems

    return ServedItems.of(workspace)


def mixture(again: Sequence[Recommendation], new: Sequence[Recommendation], k: int) -> list[Recommendation]:
    """The best k of both; ties by item id, so that the answer is stable."""
    return sorted([*again, *new], key=lambda item: (-item.score, item.item_id))[:k]


def read_state(workspace: Workspace, user_id: str) -> tuple[InterestStates, npt.NDArray[np.float32]]:
    """One user's state and fused vector.

    Raises:
        UserNotFound: the store has no such user.
    """
    (record,) = workspace.store.users.read([user_id], with_vectors=True)
    if record is None or record.fused is None:
        raise UserNotFound(
            f"the store knows no user {user_id!r}; `driftline export` lists those it knows, and new ones appear "
            "with their first event"
        )
    return unpack_states([record.state], workspace.interest), record.fused


def _by_model(
    workspace: Workspace,
    states: InterestStates,
    k: int,
    scenario: str | None,
    mode: Mode,
    exclude_seen: bool,
    served: Served,
) -> list[Recommendation]:
    """The trained model's answer; only here is torch needed."""
    from streams.serving.mixture_ranker import recommend_mixed
    from transfer.learned.model import LearnedModel

    model = workspace.model
    if not isinstance(model, LearnedModel) or model.mixture is None:
        raise TypeError(f"{type(model).__name__} has a mixture that this does not know")
    codes = served.space.candidates
    keys = served.space.keys[codes]
    own = np.isin(keys, states.own_item)
    if mode == "again":
        codes = codes[own]
    elif mode == "new" or exclude_seen:
        codes = codes[~(own | np.isin(keys, states.ring_item))]
    reasons = Reasons(states, _met(workspace, states), workspace.interest)
    found = recommend_mixed(states, model, model.mixture, served, reasons, k, scenario, codes)
    answer = []
    for one in found:
        item = served.items[one.code]
        answer.append(
            Recommendation(item.item_id, item.title, one.scenario, one.score, one.source, one.because)
        )
    return answer


def _met(workspace: Workspace, states: InterestStates) -> dict[int, ItemRecord | None]:
    """The items of the ring and the own items, by key, with vectors."""
    keys = sorted({*states.own_item.tolist(), *states.ring_item.tolist()} - {0})
    return dict(zip(keys, workspace.store.items.read(keys, with_vectors=True), strict=True))


def _explained(
    workspace: Workspace, states: InterestStates, items: list[Recommendation]
) -> list[Recommendation]:
    """The same with reasons."""
    if not items:
        return items
    met = _met(workspace, states)
    reasons = Reasons(states, met, workspace.interest)
    keys = [item_key(item.item_id) for item in items]
    missing = [key for key in keys if key not in met]
    found = met | dict(zip(missing, workspace.store.items.read(missing, with_vectors=True), strict=True))
    answer = []
    for item, key in zip(items, keys, strict=True):
        record = found[key]
        if item.source == "again":
            because = reasons.of_own(key)
        else:
            vector = record.vector if record is not None else None
            because = None if vector is None else reasons.of_vector(vector)
        answer.append(replace(item, because=because))
    return answer


def _again(workspace: Workspace, states: InterestStates, scenario: str | None) -> list[Recommendation]:
    scores = again_scores(states, workspace.settings.transfer)
    records = workspace.store.items.read(states.own_item.tolist())
    kept = [
        (record, float(score))
        for record, score in zip(records, scores, strict=True)
        if record is not None and (scenario is None or record.scenario == scenario)
    ]
    total = sum(score for _, score in kept)
    return [_of(record, score / total if total > 0 else 0.0, "again") for record, score in kept]


def _new(found: Sequence[ScoredItem]) -> list[Recommendation]:
    if not found:
        return []
    # Items of one content have one vector: in a list of ten they would be one choice ten times.
    found = list({(item.title, item.scenario, item.score): item for item in reversed(found)}.values())[::-1]
    logits = np.array([item.score for item in found]) / NEW_TEMPERATURE
    share = np.exp(logits - logits.max())
    share /= share.sum()
    return [_of(item, float(score), "new") for item, score in zip(found, share, strict=True)]


def _of(item: ItemRecord | ScoredItem, score: float, source: str) -> Recommendation:
    return Recommendation(item.item_id, item.title, item.scenario, score, source)


def _scaled(item: Recommendation, factor: float) -> Recommendation:
    return replace(item, score=item.score * factor)
