"""Which ranker a model has."""

from __future__ import annotations

from streams.counts.counts import counts_config, read_counts
from streams.serving.analytic_ranker import AnalyticRanker, StoredItems
from streams.serving.aside_ranker import AsideRanker
from streams.serving.first_events import FirstEventsRanker
from streams.serving.popular import CountedPopular, PopularItems, rule_of
from streams.serving.ranker import Ranker
from streams.serving.refreshed import Refreshed
from streams.workspace.workspace import Workspace
from transfer.analytic.model import AnalyticTransfer
from transfer.counts.config import CountsConfig


def ranker_of(workspace: Workspace) -> Ranker:
    """The ranker of the model that made the store's vectors; hold it for many requests. Only here are models told apart: one
    without a mixture of its own ranks by the analytic one.
    """
    model, weights, serving = workspace.model, workspace.settings.transfer, workspace.settings.serving
    blobs = workspace.store.blobs
    items = StoredItems(workspace.store.items, workspace.interest.dim)
    ranker: Ranker = AnalyticRanker(model, weights, items)
    counted = counts_config(blobs) or CountsConfig()
    rule = rule_of(serving.popular_half_life_s, counted, serving.popular_events)
    declared = weights.declared
    popular: PopularItems = CountedPopular(Refreshed(lambda: read_counts(blobs)).get, items, rule)
    if not isinstance(model, AnalyticTransfer):
        # It brings torch, which the analytic model does without.
        from streams.serving.index_popular import IndexPopular
        from streams.serving.mixture_ranker import MixtureRanker
        from streams.serving.served_items import ServedItems
        from transfer.learned.mixture import DeclaredPowers
        from transfer.learned.model import LearnedModel

        declared = 0.0
        if isinstance(model, LearnedModel) and model.mixture is not None:
            if model.mixture.config.declared != DeclaredPowers():
                declared = weights.declared
            served, rule = ServedItems(workspace.store, model), model.mixture.config.popular
            ranker, popular = MixtureRanker(model, model.mixture, served), IndexPopular(served, rule)
    known = FirstEventsRanker(ranker, popular, rule, declared)
    return AsideRanker(known, workspace.interest.half_lives_s[-1], serving)
