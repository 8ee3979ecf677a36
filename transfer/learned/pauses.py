"""The pause before a request, from the user's latest act on, as far as it may tell anything.

Only pauses between visits count. Within a visit people ask right after they acted, whenever they then act next: the time to the
next event of a log isn't that to the request. After a longer pause the request begins a visit, and comes when its first event
does. Pauses longer than training has seen say no more than the longest that it has: a log of last year can be asked today.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer.arrays import F64
from transfer.state.decay import elapsed

VISIT_GAP_S = 1800.0
"""A pause of more than half an hour begins a new visit, as web analytics has it."""
SEEN = 0.99
"""Share of the pauses that training has seen up to the longest that counts."""
FEWEST = 100
"""Of fewer pauses nothing is learned."""


@dataclass(frozen=True, slots=True)
class CountedPauses:
    """Which pauses count."""

    visit_gap_s: float = VISIT_GAP_S
    """of more than this"""
    longest_s: float = 0.0
    """longer ones count as this; 0: none counts"""

    def of(self, latest: F64, times: F64 | None) -> F64:
        """(U,) seconds between visits, 0 within one; of requests at `times` (U,) of users with latest acts at `latest` (U,).

        None is right after the acts, and so is an earlier time: clocks differ. Users without an act (-inf) have no pause.

        >>> CountedPauses(1800.0, 86400.0).of(np.zeros(4), np.array([-5.0, 1800.0, 3600.0, 1e9])).tolist()
        [0.0, 0.0, 3600.0, 86400.0]
        """
        if times is None:
            return np.zeros(len(latest))
        pause = elapsed(latest, times)
        return np.where(pause > self.visit_gap_s, np.minimum(pause, self.longest_s), 0.0)


def counted_pauses(pauses_s: F64, visit_gap_s: float) -> CountedPauses:
    """What may count, by the pauses (N,) from a user's basket to the next one that training learns from.

    >>> counted_pauses(np.full(99, 86400.0), 1800.0).longest_s
    0.0
    """
    between = pauses_s[pauses_s > visit_gap_s]
    longest = float(np.quantile(between, SEEN)) if len(between) >= FEWEST else 0.0
    return CountedPauses(visit_gap_s, longest)
