"""The rooms of a state as settings: own items, ring and scenarios, each with what it keeps and what it takes."""

from __future__ import annotations

import numpy as np

from streams.learning.profile import caps
from streams.learning.profile.choice import Choice
from streams.learning.profile.facts import own_counts
from streams.learning.profile.half_life_scores import HalfLifeScores
from streams.learning.profile.known_part import KnownPart
from streams.learning.profile.own_room import KEPT
from streams.learning.profile.scenarios import ScenarioUse
from transfer.arrays import I64
from transfer.config import InterestConfig
from transfer.state.layout import StateLayout


def own_room(
    known: KnownPart, evidence: HalfLifeScores, interest: InterestConfig
) -> tuple[Choice, float | None]:
    """Room for own items, and the share of what comes again that it keeps; None where too little comes again to tell.

    interest: with the half-lives that are proposed, by which own items are trimmed, and the room that is usual.
    """
    counts = own_counts(known.history)
    if evidence.room is None or "again" not in evidence.kinds:
        if evidence.room is None:  # one question at each event, so to speak
            counts = np.repeat(counts, np.diff(known.history.offsets))
            where = "events"
        else:
            counts, where = evidence.room.own, "questions"
        cap = caps.roomy_cap(counts)
        fits = 100 * float((counts <= cap).mean())
        why = f"too little comes again to measure by; at {fits:.0f} % of {where} all that the user had fits"
        return Choice(cap, f"{why}; {_cost(own_counts(known.history), cap, interest)}"), None
    found = evidence.room.least(interest.half_lives_s, interest.own_items)
    lost = f"{100 * found.kept:.1f} % of what comes again is kept, {100 * (1 - found.kept):.1f} % is lost"
    if found.kept < KEPT:
        lost += f" (more than {100 * (1 - KEPT):.0f} %, for want of a larger room)"
    if found.usual != found.cap:
        lost += f" ({found.usual} would keep {100 * found.usual_kept:.1f} %)"
    return Choice(found.cap, f"{lost}; {_cost(counts, found.cap, interest)}"), found.kept


def _cost(counts: I64, cap: int, interest: InterestConfig) -> str:
    """What own items (U,) of each user take in a state."""
    sized = interest.model_copy(update={"own_items": cap})
    each = StateLayout(sized).own.itemsize / 1000
    held = np.minimum(counts, sized.most_items)
    return f"they take {each * held.mean():.1f} kB of a user's state on average, {each * held.max():.0f} kB at most"


def ring_room(visit_events: I64) -> Choice:
    """Room for the events of a visit; visit_events (V,)."""
    cap = caps.ring_cap(visit_events)
    whole = 100 * caps.within_visit(visit_events, cap)
    return Choice(cap, f"at {whole:.1f} % of events all earlier ones of the visit are held, within 64 to 128")


def scenario_room(use: ScenarioUse) -> Choice:
    """Room for scenarios that are kept apart."""
    cap = caps.scenarios_cap(use.pair_user, use.pair_events)
    apart = 100 * caps.apart(use.pair_user, use.pair_events, cap)
    fold = 100 * float((use.per_user[use.per_user > 0] > cap).mean())
    return Choice(
        cap,
        f"{apart:.1f} % of events are in scenarios that are kept apart; {fold:.0f} % of users have more, whose lightest fold "
        "into one",
    )
