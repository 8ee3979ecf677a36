"""What is popular, for users of whom nothing or little is known yet: shares of events, in the scenario that a request names.

    p0                                       by item, at the longest half-life (all time, where it is inf)
    p1 = (m p_h + P p0) / (m + P)            p_h: lately, m events of it
    p  = (m_s p_s,h + P p1) / (m_s + P)      p_s,h: lately in the scenario, m_s events of it

of all events or of debuts (events that are their user's first with the item). P `PRIOR` events of what is known more widely
stand behind what is known of less (a Dirichlet prior), so that a scenario without events gets what is popular everywhere, and
items without recent ones come by their events of all time. P of .01 to 100 were alike on MovieLens 100K, JD and Alibaba, 1,000
was worse. So were products and means of several half-lives against the best one.

A user of n events gets it beside the model, as far as k / (k + n) goes (`popular_part`): see
`streams.serving.first_events`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from transfer.arrays import F32, F64, I64, Bool

PRIOR = 10.0
"""P"""
FEW = 10
"""Users of as many events or more get the model alone."""


class PopularRule(BaseModel):
    """Which shares tell what is popular, and how far that speaks beside a model; training fits it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: int | None = Field(
        default=None,
        ge=0,
        description="of the shares of all events by half-life, then of debuts; for open requests",
    )
    column_given: int | None = Field(default=None, ge=0, description="and for those that name a scenario")
    events: float = Field(
        default=0.0, ge=0, description="k of open requests; 0: no part in what users with events get"
    )
    events_given: float = Field(default=0.0, ge=0, description="and of those that name a scenario")

    def taken(self, given: bool, half_lives: int) -> int:
        """The column; where none is chosen, debuts at the second half-life: no user adds more than one to an item.

        >>> PopularRule().taken(False, 4), PopularRule(column_given=2).taken(True, 4)
        (5, 2)
        """
        column = self.column_given if given else self.column
        if column is None or column >= 2 * half_lives:
            return half_lives + min(1, half_lives - 1)
        return column


def popular_part(events: I64 | F64, k: float) -> F64:
    """(U,) part of what is popular for users of n events: 1 without any, k / (k + n), and 0 from `FEW` on.

    >>> popular_part(np.array([0, 1, 3, 10]), 1.0).tolist()
    [1.0, 0.5, 0.25, 0.0]
    """
    part = np.where(events > 0, k / np.maximum(k + events, 1e-12), 1.0)
    return np.where(events < FEW, part, 0.0)


def popular_shares(
    lately: F32 | F64, ever: F32 | F64, total: float, here: F32 | F64 | None = None, total_here: float = 0.0
) -> F64:
    """(N,) p of N items that compete; sums to 1 where these are all items.

    lately, ever (N,): shares of all items' events at the half-life and at the longest one; total: decayed events of all items.
    here (N,), total_here: the same in the scenario.

    >>> popular_shares(np.array([0.5, 0.5]), np.array([1.0, 0.0]), 10.0).tolist()
    [0.75, 0.25]
    """
    found: F64 = ever.astype(np.float64)
    for shares, events in ((lately, total), (here, total_here)):
        if shares is not None:
            found = (shares * float(events) + PRIOR * found) / (events + PRIOR)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """What is counted of M items that compete, everywhere or in one scenario."""

    shares: F32
    """(M, 2 H) of all events by half-life, then of debuts"""
    totals: F64
    """(2 H,) how many decayed events of all items those are"""


def popular_among(everywhere: Shares, here: Shares | None, rule: PopularRule) -> F64:
    """(M,) shares of what is popular; here: of the scenario that the request names."""
    half_lives = len(everywhere.totals) // 2
    column = rule.taken(here is not None, half_lives)
    longest = half_lives - 1 + (half_lives if column >= half_lives else 0)
    known = everywhere.shares[:, column], everywhere.shares[:, longest], everywhere.totals[column]
    if here is None:
        return popular_shares(*known)
    return popular_shares(*known, here.shares[:, column], here.totals[column])


def blended(scores: F32, shares: F32 | F64, own: Bool, part: float) -> F32:
    """What being popular adds (N,) to the scores (N,) of one user's request, which in turn lose `part` of what they give to
    items that are not the user's own; the sum stays. Scores are changed in place.

    shares (N,): of what is popular. own (N,): whether an item is the user's own.

    >>> scores = np.array([0.5, 0.3, 0.2], np.float32)
    >>> blended(scores, np.array([0.8, 0.0, 0.2]), np.array([True, False, False]), 0.5).tolist(), scores.tolist()
    ([0.0, 0.0, 0.25], [0.5, 0.15000000596046448, 0.3499999940395355])
    """
    rest = np.where(own, 0.0, shares)
    total = rest.sum()
    if total <= 0:
        return np.zeros(len(scores), np.float32)
    others = ~own
    mass = float(scores[others].sum(dtype=np.float64))
    added: F32 = (rest * (part * mass / total)).astype(np.float32)
    scores[others] *= np.float32(1 - part)
    scores += added
    return added
