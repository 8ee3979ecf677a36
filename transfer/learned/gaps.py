"""Times between a user's successive events as classes, cut where the log has about equal numbers of them."""

from __future__ import annotations

import numpy as np

from transfer.arrays import F64, I64


def gap_edges(gaps: F64, classes: int = 16) -> tuple[float, ...]:
    """Ascending bounds that cut the gaps above 0, in seconds, into about equal classes.

    >>> gap_edges(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), classes=2)
    (2.5,)
    """
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return ()
    edges: F64 = np.unique(np.quantile(gaps, np.linspace(0, 1, classes + 1)[1:-1]))
    return tuple(float(edge) for edge in edges)


def gap_class(gaps: F64, edges: tuple[float, ...]) -> I64:
    """Class of each gap: 0 for none (the same time, or the first event), else 1 + the number of bounds below it.

    >>> gap_class(np.array([0.0, 0.5, 3.0]), (1.0, 2.0)).tolist()
    [0, 1, 3]
    """
    return np.where(gaps > 0, 1 + np.searchsorted(np.array(edges), gaps), 0)
