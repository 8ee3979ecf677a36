"""A learned model that nobody trained: small, random, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sinks.points import item_key
from streams.settings import Settings
from transfer.learned.config import NetworkConfig
from transfer.learned.folder import save_model
from transfer.learned.mixture import Mixture
from transfer.learned.model import LearnedModel, TrainedItems
from transfer.learned.network import TransferNetwork
from transfer.learned.requests import mixture_config


def save_small_model(folder: Path, settings: Settings, item_ids: list[str], seed: int = 0) -> Path:
    """A model of the settings' states that knows these items, with random vectors."""
    torch.manual_seed(seed)
    interest, rng = settings.interest, np.random.default_rng(seed)
    horizons = len(interest.half_lives_s)
    config = NetworkConfig(dim=interest.dim, horizons=horizons, width=8, ring=8, gap_edges_s=(60.0, 3600.0))
    keys = np.sort(np.array([item_key(item_id) for item_id in item_ids], np.uint64))
    vectors = rng.normal(size=(len(keys), interest.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = TrainedItems(keys, vectors, np.arange(1, len(keys) + 1))
    mixture = Mixture(mixture_config(horizons, 3, len(settings.counts.half_lives_s), places=8))
    names = {"toys": np.full(interest.dim, interest.dim**-0.5, np.float32)}
    network = TransferNetwork(config, len(keys))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model = LearnedModel(network, mixture, interest, table, names, "untold")
    save_model(folder, model, settings.counts, {})
    return folder
