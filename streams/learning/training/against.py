"""How much of a query events against items take, chosen on the validation part: the one thing learned of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.learning.training.network import Tell
from streams.learning.training.requests_at import Later, request_blocks
from streams.learning.training.training_run import TrainingRun
from transfer.learned.model import LearnedModel

if TYPE_CHECKING:
    from transfer.learned.mixture import Mixture

SHARES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75)
FAINT = 1e-9


def choose_against_share(
    run: TrainingRun, later: Later, model: LearnedModel, mixture: Mixture, tell: Tell
) -> list[dict[str, float]]:
    """Mean log-probability of what users took next, for each share; empty where the log has no event against an item.

    The share of the best is the model's afterwards; on a tie the one that it had.
    """
    aside = run.data.log.aside
    if aside is None or not (run.interest.action_weights[aside.action] < 0).any():
        return []
    from transfer.learned.ranking import rank

    before = model.config.against_share
    found = []
    for share in sorted(SHARES, key=lambda each: each != before):
        model.take_against(share)
        total, targets = 0.0, 0
        for part in request_blocks(run, later, model, run.config.pool_queries):
            scores = rank(part.requests, mixture, part.index).scores
            likely = scores[part.queries.target_query, part.target]
            total += float(np.log(np.maximum(likely, FAINT)).sum())
            targets += len(likely)
        found.append({"share": share, "log_p": total / max(targets, 1)})
    best = max(found, key=lambda row: row["log_p"])["share"]
    model.take_against(best)
    if best == SHARES[-1]:
        tell(f"warning: events against items take {best:.0%} of a query, the most that was tried")
    return found
