"""What to show a user: the items that the model's ranker scores best, each with its source and reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sinks.item_filter import AttributeTest, passes_all
from sinks.points import ItemRecord
from streams.errors import UserNotFound
from streams.serving.answer import Answer, Recommendation
from streams.serving.because import Reasons
from streams.serving.best_first import BestFirst, columns_of
from streams.serving.declared_reasons import DeclaredReasons, declared_reasons
from streams.serving.item_tests import available_at
from streams.serving.model_ranker import ranker_of
from streams.serving.probes import Probe, Probes, shown_probes
from streams.serving.ranker import ItemScores, Ranker, Reason
from streams.workspace.workspace import Workspace
from transfer.arrays import U64
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates, empty_states

RecommendMode = Literal["new", "again", "mixed"]
DECLARED = "declared"
"""Source of an item that is there for what the user declared."""
PAGE = 10
"""Items that are read beyond those to be shown: some will look like another."""
MOST_AT_A_TIME = 500
"""Items that are read at once where few pass the tests."""


def recommend(
    workspace: Workspace,
    user_id: str,
    k: int = 10,
    scenario: str | None = None,
    mode: RecommendMode = "mixed",
    exclude_seen: bool = False,
    ranker: Ranker | None = None,
) -> list[Recommendation]:
    """What `Recommender` recommends now. `ranker`: of `ranker_of`, to be held for many calls.

    Raises:
        UserNotFound: the store has no such user, and nothing in it is popular.
    """
    return Recommender(workspace, ranker).recommend(user_id, k, scenario, mode, exclude_seen)


class Recommender:
    """Answers requests from a store. Items that are hidden or not available at the time are left out."""

    def __init__(
        self,
        workspace: Workspace,
        ranker: Ranker | None = None,
        tests: Sequence[AttributeTest] = (),
        at: float | None = None,
        probes: Probes | None = None,
    ) -> None:
        """
        Args:
            ranker: of `ranker_of`.
            tests: all of them an item has to pass.
            at: the time of the requests, in unix seconds; None: now.
            probes: what users without an act are asked; None: they get what is popular.
        """
        self._workspace = workspace
        self._ranker = ranker or ranker_of(workspace)
        self._tests = tests
        self._at = at
        self._probes = probes

    def recommend(
        self,
        user_id: str,
        k: int = 10,
        scenario: str | None = None,
        mode: RecommendMode = "mixed",
        exclude_seen: bool = False,
    ) -> list[Recommendation]:
        """The items of `answer`."""
        return self.answer(user_id, k, scenario, mode, exclude_seen).items

    def answer(
        self,
        user_id: str,
        k: int = 10,
        scenario: str | None = None,
        mode: RecommendMode = "mixed",
        exclude_seen: bool = False,
    ) -> Answer:
        """The best `k` items for the user, best first; ties by item key, so that the answer is stable. A user without an act,
        gets what the user declared, else the first `k` probes, if there are any and the request is not for items of the user's
        own, else what is popular.

        With `scenario` the query is that of the scenario, and the items are limited to those that belong to it; a scenario
        without items of its own (an entry page, say) takes all items. `exclude_seen` leaves out whatever the state still knows
        the user to have met, in the own items and in the ring; so does `mode="new"`.

        Raises:
            UserNotFound: the store has no such user, and nothing in it is popular.
        """
        workspace = self._workspace
        found = _found_state(workspace, user_id)
        states = empty_states(1, workspace.interest) if found is None else found
        own, met = states.own_item, np.union1d(states.own_item, states.ring_item[states.ring_item > 0])
        tests = (*available_at(workspace.now() if self._at is None else self._at), *self._tests)
        if self._probes is not None and mode != "again":
            home = scenario if scenario is not None and self._ranker.has_items(scenario) else None
            asking = shown_probes(workspace.store, self._probes.asked(scenario), states, home, tests)
            if asking:
                return Answer([_question(*one) for one in asking[:k]], known=False)
        asked = k + len(met) - len(own)
        ranked = self._ranker.score(states, [scenario], asked, explained=True)
        if found is None and not (ranked.scores > 0).any():
            raise UserNotFound(
                f"the store knows no user {user_id!r}, and nothing can be popular in it: it has no counts of events; "
                "`driftline replay` and `driftline run` count, unless counts.keep is off"
            )
        best = _ranked(ranked, own, met, mode, exclude_seen)
        shown = _shown(workspace, ranked, best, own, k, tests)
        if shown.refused and mode != "again" and _may_lack(ranked, best, own, asked, shown, k):
            ranked = self._ranker.score(states, [scenario], asked, explained=True, tests=tests)
            best = _ranked(ranked, own, met, mode, exclude_seen)
            shown = _shown(workspace, ranked, best, own, k, tests)
        why = ranked.reasons(0, np.array(shown.columns, np.int64))
        told = _told_of(workspace, states, shown.items, why)
        reasons = Reasons(states, told, workspace.interest)
        declared = declared_reasons(workspace, states, scenario)
        why = [
            _declared(reason, told.get(item.key), declared)
            for item, reason in zip(shown.items, why, strict=True)
        ]
        items = [
            Recommendation(
                item_id=item.item_id,
                title=item.title,
                scenario=reason.scenario or item.scenario,
                score=float(ranked.scores[0, column]),
                source=reason.source,
                because=reasons.of(reason, told.get(item.key) or item),
            )
            for item, column, reason in zip(shown.items, shown.columns, why, strict=True)
        ]
        return Answer(
            items, known=bool(states.n_events[0] > 0), declared=any(item.source == DECLARED for item in items)
        )


def _question(one: Probe, item: ItemRecord) -> Recommendation:
    return Recommendation(item.item_id, item.title, item.scenario, one.known, "probe", reason=one.reason)


def _declared(reason: Reason, item: ItemRecord | None, declared: DeclaredReasons | None) -> Reason:
    """The reason, or that what the user declared says more for an item that is new."""
    if declared is None or reason.source != "new" or item is None or item.vector is None:
        return reason
    text = declared.of(item.vector)
    return reason if text is None else Reason(DECLARED, lender=text.scenario, text=text.text)


def read_state(workspace: Workspace, user_id: str) -> InterestStates:
    """One user's state.

    Raises:
        UserNotFound: the store has no such user.
    """
    found = _found_state(workspace, user_id)
    if found is None:
        raise UserNotFound(
            f"the store knows no user {user_id!r}; `driftline export` lists those it knows, and new ones appear "
            "with their first event"
        )
    return found


def _found_state(workspace: Workspace, user_id: str) -> InterestStates | None:
    (record,) = workspace.store.users.read([user_id])
    return None if record is None else unpack_states([record.state], workspace.interest)


def _told_of(
    workspace: Workspace, states: InterestStates, shown: Sequence[ItemRecord], why: Sequence[Reason]
) -> dict[int, ItemRecord | None]:
    """What the reasons speak of, by key: items that are new and those of the ring are compared by their vectors."""
    told: dict[int, ItemRecord | None] = {item.key: item for item in shown}
    compared = [item.key for item, reason in zip(shown, why, strict=True) if reason.source == "new"]
    if compared:
        ring = states.ring_item[states.ring_item > 0]
        keys = np.unique(np.concatenate([ring, np.array(compared, np.uint64)])).tolist()
    else:
        keys = sorted({reason.lead for reason in why} - {0, *told})
    return told | dict(zip(keys, workspace.store.items.read(keys, with_vectors=bool(compared)), strict=True))


def _ranked(found: ItemScores, own: U64, met: U64, mode: RecommendMode, exclude_seen: bool) -> BestFirst:
    """The items that may be shown."""
    scores = found.scores[0]
    allowed = scores > 0
    if mode == "again":
        mine = columns_of(found.keys, own)
        kept = np.zeros_like(allowed)
        kept[mine] = allowed[mine]
        allowed = kept
    elif mode == "new" or exclude_seen:
        allowed[columns_of(found.keys, met)] = False
    return BestFirst(scores, found.keys, allowed)


@dataclass(slots=True)
class _Shown:
    """Items to be shown, and how far the ranked columns were looked at for them."""

    items: list[ItemRecord]
    columns: list[int]
    seen: int = 0
    refused: int = 0
    """items that did not pass the tests"""


def _shown(
    workspace: Workspace,
    found: ItemScores,
    ranked: BestFirst,
    own: U64,
    k: int,
    tests: Sequence[AttributeTest],
) -> _Shown:
    """The first `k` items that pass the tests, but for those that have left the store."""
    shown = _Shown([], [])
    looks: set[tuple[str, str, float]] = set()
    page = PAGE + k
    while shown.seen < len(ranked) and len(shown.items) < k:
        columns = ranked.columns(shown.seen, shown.seen + page)
        keys = found.keys[columns]
        again = np.isin(keys, own)
        records = workspace.store.items.read(keys.tolist())
        for record, column, owned in zip(records, columns.tolist(), again.tolist(), strict=True):
            if len(shown.items) == k:
                break
            shown.seen += 1
            if record is None:
                continue
            if not passes_all(tests, record.attributes):
                shown.refused += 1
                continue
            # New items of one content have one vector: in a list of ten they would be one choice ten times.
            look = (record.title or record.item_id, record.scenario, float(found.scores[0, column]))
            if owned or look not in looks:
                looks.add(look)
                shown.items.append(record)
                shown.columns.append(column)
        page = min(2 * page, MOST_AT_A_TIME)
    return shown


def _may_lack(found: ItemScores, best: BestFirst, own: U64, asked: int, shown: _Shown, k: int) -> bool:
    """Whether an item that was not scored may belong among those shown, in the place of one that passed no test.

    What was not scored is worse than any item that was and is not an own one.
    """
    mine = columns_of(found.keys, own)
    if len(shown.items) == k:
        looked_at = best.columns(0, shown.seen)
        others = len(best) - len(best.among(mine)) - np.count_nonzero(~np.isin(looked_at, mine))
        if others:
            return False
    scores = found.scores[0]
    return int(np.count_nonzero(scores > 0) - np.count_nonzero(scores[mine] > 0)) >= asked
