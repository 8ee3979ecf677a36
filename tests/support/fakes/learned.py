"""A small learned model with random weights, and a small log to train one on."""

from __future__ import annotations

import numpy as np
import torch

from transfer.config import InterestConfig
from transfer.learned.config import NetworkConfig
from transfer.learned.mixture import Mixture
from transfer.learned.model import LearnedModel, TrainedItems
from transfer.learned.network import TransferNetwork
from transfer.learned.requests import mixture_config
from transfer.training.walk import EventLog


def random_model(
    interest: InterestConfig, seed: int = 0, shares: int = 2, **settings: object
) -> LearnedModel:
    """Items of keys 1..8 are known; weights are random, larger than at the start of training."""
    torch.manual_seed(seed)
    config = NetworkConfig.model_validate(
        {
            "dim": interest.dim,
            "horizons": len(interest.half_lives_s),
            "actions": len(interest.action_names),
            "width": interest.dim - 2,
            "heads": 1,
            "ring": 6,
            "gap_edges_s": (1.0, 1000.0),
            **settings,
        }
    )
    network = TransferNetwork(config, 4)
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.3)
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((8, interest.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = TrainedItems(np.arange(1, 9, dtype=np.uint64), vectors, np.array([1, 2, 3, 4, 0, 0, 0, 0]))
    mixture = Mixture(mixture_config(config.horizons, config.actions, shares, places=4))
    return LearnedModel(network, mixture, interest, items, {}, f"random-{seed}")


def small_log(users: int = 12, events: int = 30, items: int = 20, dim: int = 8, seed: int = 0) -> EventLog:
    """Users who walk round a ring of items, each from where they were, three scenarios by item; some baskets of two."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((items, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    item = (rng.integers(items, size=users)[:, None] + np.arange(events)) % items
    time = np.cumsum(rng.choice([0.0, 60.0, 3600.0], p=[0.2, 0.4, 0.4], size=(users, events)), axis=1)
    item, time = item.reshape(-1), time.reshape(-1)
    return EventLog(
        offsets=np.arange(users + 1) * events,
        user=np.repeat(np.arange(users), events).astype(np.int32),
        time=time,
        key=np.arange(1, users * events + 1, dtype=np.uint64),
        action=rng.integers(0, 3, users * events).astype(np.uint8),
        item=item.astype(np.int32),
        scenario=(item % 3).astype(np.int32),
        scenario_names=("a", "b", "c"),
        item_keys=np.arange(1, items + 1, dtype=np.uint64),
        vectors=vectors,
    )
