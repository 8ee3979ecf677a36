"""Half-lives from gaps and from what predicts best: the short end, the long end, the peaks, and steps between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from streams.learning.profile.baskets import Baskets, weighted_quantile
from streams.learning.profile.clock import Clock
from transfer.arrays import F64, Bool

MOST = 5
STEP = 6.0
"""Neighbouring half-lives are about this far apart: a mixture of two follows what lies between."""
APART = 2.5
"""Half-lives nearer than this say the same."""
SHORT_GAPS = 2.0
"""Without better evidence the shortest half-life is two usual gaps: about three events count, enough to see a change."""
LONG_SPREAD = 9.0
"""The longest is at least this many times the shortest."""
SLACK = 0.02
ERRORS = 2.0
"""A half-life that loses no more than `SLACK` of the best, or no more than `ERRORS` paired standard errors, is as good."""
CANDIDATES = 15


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """NDCG@10 at each of H candidate half-lives, for each of Q questions."""

    half_lives_s: F64
    gains: F64
    """(H, Q) float64"""

    @property
    def mean(self) -> F64:
        """(H,) mean over the questions."""
        means: F64 = self.gains.mean(axis=1)
        return means

    @property
    def peak_s(self) -> float:
        """The half-life that predicts best."""
        return float(self.half_lives_s[int(self.mean.argmax())])

    @property
    def at_the_edge(self) -> str:
        """ " (the shortest tried)" or " (the longest tried)" where the best is an end of the finite candidates, else nothing.

        >>> Curve(np.array([1.0, 2.0, np.inf]), np.array([[0.2], [0.3], [0.1]])).at_the_edge
        ' (the longest tried)'
        """
        finite = self.half_lives_s[np.isfinite(self.half_lives_s)]
        ends = {float(finite[-1]): " (the longest tried)", float(finite[0]): " (the shortest tried)"}
        return ends.get(self.peak_s, "")

    def as_good(self) -> Bool:
        """(H,) whether each is as good as the best, by `SLACK` or by the paired standard errors."""
        best = int(self.mean.argmax())
        as_good: Bool = (self._deficit(best) <= SLACK * self.mean[best]) | self._within_error(best)
        return as_good

    @property
    def tells_short(self) -> bool:
        """Whether the longest candidate is clearly worse: only then does the curve bound the shortest half-life."""
        return not bool(self.as_good()[-1])

    def stands_out(self, ends_s: Sequence[float]) -> bool:
        """The peak is clearly better than the candidates nearest to each of `ends_s`."""
        best = int(self.mean.argmax())
        nearest = [int(np.abs(np.log(self.half_lives_s / end)).argmin()) for end in ends_s]
        return bool(~self._within_error(best)[nearest].any())

    def _deficit(self, best: int) -> F64:
        lost: F64 = self.mean[best] - self.mean
        return lost

    def _within_error(self, best: int) -> Bool:
        lost = self.gains[best] - self.gains
        error = lost.std(axis=1) / math.sqrt(max(self.gains.shape[1], 1))
        within: Bool = self._deficit(best) <= ERRORS * error
        return within


def usual_gap_s(baskets: Baskets, clock: Clock) -> float:
    """Median time from basket to basket; the clock's floor where gaps tell of pages."""
    gaps = baskets.gaps_s
    if clock.kind == "pages":
        return clock.floor_s / SHORT_GAPS
    return float(np.median(gaps)) if len(gaps) else 0.0


def usual_span_s(baskets: Baskets, clock: Clock) -> float:
    """From the first to the last event of a user: half of all events are of users with a longer history.

    Where users fill pages, most come once, and it is two usual pauses between visits that count if that is longer.
    """
    first = np.flatnonzero(baskets.first)
    last = np.append(first[1:], len(baskets)) - 1
    events = np.add.reduceat(baskets.size, first).astype(np.float64)
    span = weighted_quantile(baskets.time[last] - baskets.time[first], events, 0.5)
    pauses = baskets.gaps_s[baskets.visit[1:][~baskets.first[1:]]]
    if clock.kind == "pages" and len(pauses):
        span = max(span, SHORT_GAPS * float(np.median(pauses)))
    return span


def half_life_candidates(baskets: Baskets, clock: Clock) -> F64:
    """(H,) half-lives to try: from half a short gap to four usual histories, evenly in proportion."""
    gaps = baskets.gaps_s
    short = float(np.quantile(gaps, 0.1)) / 2 if len(gaps) else 0.0
    low = max(short, clock.floor_s, 1e-3)
    high = max(4 * usual_span_s(baskets, clock), LONG_SPREAD * low)
    return np.geomspace(low, high, CANDIDATES)


def choose(gap_s: float, span_s: float, floor_s: float, curves: Sequence[Curve]) -> tuple[float, ...]:
    """3 to `MOST` half-lives, ascending and rounded.

    The shortest is the longest that predicts as well as the best one on the curve where short ones do best, but no more than
    two usual gaps; the longest is a usual history. A peak between them that stands out is kept; between these, half-lives are
    spread evenly in proportion, about `STEP` from each other.

    >>> choose(gap_s=1.0, span_s=300.0, floor_s=0.5, curves=[])
    (2.0, 11.0, 56.0, 300.0)
    >>> choose(gap_s=190_000.0, span_s=30_000_000.0, floor_s=0.5, curves=[])
    (380160.0, 3369600.0, 30240000.0)
    """
    short = SHORT_GAPS * gap_s
    for curve in curves:
        if curve.tells_short:
            short = min(short, float(curve.half_lives_s[curve.as_good()].max()))
    short = max(short, floor_s, 1e-3)
    long = max(span_s, LONG_SPREAD * short)
    anchors = [short, long]
    for curve in curves:
        far = all(max(curve.peak_s, anchor) / min(curve.peak_s, anchor) >= APART for anchor in anchors)
        if far and short < curve.peak_s < long and len(anchors) < MOST and curve.stands_out((short, long)):
            anchors.append(curve.peak_s)
    return tuple(sorted({rounded(life) for life in _filled(sorted(anchors))}))


def rounded(seconds: float) -> float:
    """To two digits of the largest unit that it fills: day, hour, minute or second.

    >>> rounded(4.4399 * 86400) / 86400, rounded(127.0), rounded(11.3)
    (4.4, 126.0, 11.0)
    """
    unit = next((unit for unit in (86400.0, 3600.0, 60.0) if seconds >= unit), 1.0)
    return round(float(f"{seconds / unit:.2g}") * unit, 3)


def _filled(anchors: list[float]) -> list[float]:
    """Steps of about `STEP` between the anchors, wider where `MOST` asks for it, and three half-lives at least."""
    step = STEP
    ratios = [math.log(high / low) for low, high in pairwise(anchors)]
    while True:
        pieces = [max(1, round(ratio / math.log(step))) for ratio in ratios]
        if sum(pieces) < max(MOST, len(anchors)):
            break
        step *= 1.2
    if sum(pieces) < 2:
        pieces[0] = 2
    lives = [anchors[0]]
    for (low, high), count in zip(pairwise(anchors), pieces, strict=True):
        lives += [low * (high / low) ** (n / count) for n in range(1, count + 1)]
    return lives
