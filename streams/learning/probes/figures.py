"""What judged lists are worth, as plain values: means, and differences from the greedy list with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streams.learning.evaluation.bootstrap import paired_differences
from streams.learning.probes.fit import ASKED, GREEDY
from streams.learning.probes.judged import JudgedLists


def cold_start_figures(judged: Sequence[JudgedLists]) -> dict[str, Any]:
    """Of one seed or several: NDCG@10 by method and number of questions, means over users and seeds, and the greedy list minus
    each other one with the 95 % interval of a paired bootstrap over users, each of whom is drawn with all seeds. {} where
    nobody was judged."""
    user = np.concatenate([one.user for one in judged]) if judged else np.zeros(0, np.int64)
    if not len(user):
        return {}
    methods = list(judged[0].after)
    after = {
        method: {asked: np.concatenate([one.after[method][asked] for one in judged]) for asked in ASKED}
        for method in methods
    }
    others = [method for method in methods if method != GREEDY]
    differences: dict[str, dict[str, Any]] = {other: {} for other in others}
    for asked in ASKED:
        found = paired_differences(
            user.astype(np.int32), after[GREEDY][asked], [after[other][asked] for other in others]
        )
        for other, (interval,) in zip(others, found, strict=True):
            differences[other][str(asked)] = {
                "difference": interval.difference,
                "low": interval.low,
                "high": interval.high,
                "users": interval.users,
            }
    return {
        "users": len(np.unique(user)),
        "interviews": len(user),
        "nothing_asked": float(np.concatenate([one.before for one in judged]).mean()),
        "ndcg@10": {
            method: {str(asked): float(value.mean()) for asked, value in by_asked.items()}
            for method, by_asked in after.items()
        },
        "greedy_minus": differences,
    }
