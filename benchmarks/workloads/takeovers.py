"""What a trace says against the truth of its courses: delays of drifts, false emergences, old scenarios lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.workloads.drift import CAUSES, DAY_S, KINDS, SCENARIOS, STRAYS, Course
from benchmarks.workloads.followed import Trace
from transfer.arrays import F64, I64, Bool

WARM_UP = 50
"""The first events of a user, in which someone has to take the lead, are not judged."""
HABITUAL = 0.5
"""An old scenario with this share of the largest habit may lead without a drift."""
DORMANT_S = 30 * DAY_S
RETURNING = 20
"""A habit that nobody saw for DORMANT_S has returned, for so many events of the user."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Figures of U users, one row a user; NaN where a user has none."""

    kind: I64
    """(U,) position in KINDS."""
    delay: F64
    """(U,) events in the drift's scenario until it leads for the first time, that event included; inf: never."""
    after_due: F64
    """(U,) the same from the event on at which its true share is the largest; 0: it leads there already."""
    held: F64
    """(U,) share of the drift's remaining events at which it still leads."""
    back: F64
    """(U,) events in old scenarios, once the user goes back, until one of these leads; inf: never."""
    weight: F64
    """(U, 3) weight of the old scenarios before the drift, at its end, and 5 old events after it."""
    retrieved: F64
    """(U, 3) share of them among the items nearest to the fused vector, at the same events."""
    events: F64
    """(U,) events judged for false emergences."""
    false: F64
    """(U, C) false emergences by cause of the event at hand."""


def joined(parts: Sequence[Judged]) -> Judged:
    """The users of all of them, in order."""
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in Judged.__slots__)
    return Judged(*columns)


def judge(users: Sequence[Course], trace: Trace) -> Judged:
    """Compare.

    A *false emergence* is an event, after the user's first WARM_UP, at which a scenario takes the lead that is
    neither the drift's (from its begin on) nor a habit with HABITUAL of the largest habit's share: a stray, or an
    old scenario in a burst. A habit that by chance had no event for DORMANT_S before its latest few is a dormant one that
    returns: rightly or wrongly, it is not judged.
    """
    rows = [_one(user, row, trace) for row, user in enumerate(users)]
    columns = [np.array(column, np.float64) for column in zip(*rows, strict=True)]
    return Judged(np.array([KINDS.index(user.kind) for user in users]), *columns)


def _one(user: Course, row: int, trace: Trace) -> tuple[object, ...]:
    count = len(user.time)
    leader = trace.leader[row, :count].astype(np.int64)
    places = np.arange(count)
    changed = np.flatnonzero(leader[1:] != leader[:-1]) + 1
    changed = changed[changed >= WARM_UP]
    usual = user.habit >= HABITUAL * user.habit.max()
    wrong = ~usual[leader[changed]] & ~((leader[changed] == user.target) & (changed >= user.begins))
    wrong &= np.array([not _returned(user, at, leader[at]) for at in changed.tolist()], np.bool_)
    false = np.bincount(user.cause[changed[wrong]], minlength=len(CAUSES))
    events = max(0, count - WARM_UP)
    if user.target < 0:
        nothing = np.full(3, np.nan)
        return (np.nan, np.nan, np.nan, np.nan, nothing, nothing, events, false)
    leads, own = leader == user.target, user.scenario == user.target
    drifting = (places >= user.begins) & (places < user.back)
    first = _first(leads & drifting)
    looked = list(user.looked_at())
    old = ~own & (user.habit[user.scenario] > 0)
    back = _first(~leads & (user.habit[leader] > 0) & (places >= user.back))
    return (
        _counted(own, user.begins, first),
        0.0 if leads[user.due] else _counted(own, user.due, _first(leads & drifting & (places >= user.due))),
        leads[first : user.back].mean() if first < count else 0.0,
        _counted(old, user.back, back),
        trace.old[row, looked],
        trace.retrieved[row, looked],
        events,
        false,
    )


def _returned(user: Course, at: int, scenario: int) -> bool:
    """Whether the habit's events up to `at`, without a gap of DORMANT_S, begin among the latest RETURNING."""
    if scenario >= SCENARIOS - STRAYS:
        return False
    events = np.flatnonzero(user.scenario[: at + 1] == scenario)
    gaps = np.flatnonzero(np.diff(user.time[events]) > DORMANT_S)
    return bool(len(gaps)) and int(events[gaps[-1] + 1]) > at - RETURNING


def _first(where: Bool) -> int:
    found = np.flatnonzero(where)
    return int(found[0]) if len(found) else len(where)


def _counted(own: Bool, start: int, end: int) -> float:
    """Events of `own` from `start` to `end` inclusive; inf where the end is never."""
    return float(own[start : end + 1].sum()) if end < len(own) else np.inf
