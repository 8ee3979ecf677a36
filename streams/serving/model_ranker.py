"""Which ranker a model has."""

from __future__ import annotations

from streams.serving.analytic_ranker import AnalyticRanker, StoredItems
from streams.serving.aside_ranker import AsideRanker
from streams.serving.popular import StoredPopular
from streams.serving.ranker import Ranker
from streams.workspace.workspace import Workspace
from transfer.analytic.model import AnalyticTransfer


def ranker_of(workspace: Workspace) -> Ranker:
    """The ranker of the model that made the store's vectors; hold it for many requests. Only here are models told apart: one
    without a mixture of its own ranks by the analytic one.
    """
    model, weights = workspace.model, workspace.settings.transfer
    items = StoredItems(workspace.store.items, workspace.interest.dim)
    ranker: Ranker = AnalyticRanker(model, weights, items)
    if not isinstance(model, AnalyticTransfer):
        # It brings torch, which the analytic model does without.
        from streams.serving.mixture_ranker import MixtureRanker
        from streams.serving.served_items import ServedItems
        from transfer.learned.model import LearnedModel

        if isinstance(model, LearnedModel) and model.mixture is not None:
            ranker = MixtureRanker(model, model.mixture, ServedItems(workspace.store, model))
    return AsideRanker(
        ranker,
        workspace.interest.half_lives_s[-1],
        workspace.settings.serving,
        StoredPopular(workspace.store.blobs, items),
    )
