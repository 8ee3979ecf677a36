"""Result: what one method reached on one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from streams.learning.evaluation.families import Family
from transfer.arrays import F64, I32


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One method on one task."""

    method: str
    task: str
    rank: I32
    """with the settings of the family `all`"""
    without_own: I32
    """`rank` and `without_own`: (S, T) int32 for each seed, as in `ranks.Ranked`; this one with the settings of `new`"""
    top: I32
    """(Q, TOP) int32 lists of the first seed"""
    params: list[Mapping[Family, Mapping[str, Any]]]
    """the settings chosen on validation for each family (`families.FAMILIES`), for each seed; empty where there are none"""
    edges: list[str]
    """settings that are the first or last of those that were tried, so that better ones may lie beyond"""
    curves: list[list[tuple[float, float]]]
    """learning curve of each seed, (epoch, `HEADLINE` on validation); empty where nothing was trained"""
    fit_s: float
    tune_s: float
    score_s: float
    """`fit_s`, `tune_s`, `score_s`: seconds, sums over the seeds; scoring includes learning and ranking"""
    reliability: F64
    """what `reliability.unpacked` takes, sums over the seeds, with the settings of the family `all`; empty: the scores are no
    probabilities"""
    pairs: F64 = field(default_factory=lambda: np.empty((0, 5)))
    """(S, 5) figures of pairs (`pairs.FIGURES`) for each seed, with the settings of the family `all`; (0, 5): none"""


def joined(results: Sequence[Result]) -> Result:
    """One result of the runs with several seeds."""
    return replace(
        results[0],
        rank=np.concatenate([result.rank for result in results]),
        without_own=np.concatenate([result.without_own for result in results]),
        params=[params for result in results for params in result.params],
        edges=list(dict.fromkeys(edge for result in results for edge in result.edges)),
        curves=[curve for result in results for curve in result.curves],
        fit_s=sum(result.fit_s for result in results),
        tune_s=sum(result.tune_s for result in results),
        score_s=sum(result.score_s for result in results),
        reliability=np.sum([result.reliability for result in results], axis=0),
        pairs=np.concatenate([result.pairs for result in results]),
    )
