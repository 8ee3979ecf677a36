"""The two models on a tower: one that compares the vectors of user and item, and one that reads both together."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from encoders.tuned.tower import TextTower

START_SCALE = 20.0
"""A cosine counts so many times at first (temperature .05)."""


class BiEncoder(nn.Module):
    """score(user, item) = scale x cosine of their words' vectors: about log p(item | user), but for a constant of the user."""

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.tower = tower
        self.log_scale = nn.Parameter(torch.tensor(math.log(START_SCALE)))

    def scores(self, users: Tensor, items: Tensor) -> Tensor:
        """(B, M) of vectors (B, width) and (M, width)."""
        return self.log_scale.exp() * (users @ items.T)

    def head(self) -> dict[str, Tensor]:
        """What is trained beside the tower."""
        return {"log_scale": self.log_scale}


class CrossEncoder(nn.Module):
    """score(user, item): log odds that the user takes the item, from one reading of both."""

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.tower = tower
        self.weight = nn.Parameter(torch.zeros(tower.width))
        self.bias = nn.Parameter(torch.zeros(()))

    def scores(self, pairs: Tensor) -> Tensor:
        """(B,) of vectors (B, width) of pairs."""
        return pairs @ (self.weight * math.sqrt(self.tower.width)) + self.bias

    def head(self) -> dict[str, Tensor]:
        """What is trained beside the tower."""
        return {"weight": self.weight, "bias": self.bias}
