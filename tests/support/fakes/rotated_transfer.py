"""A transfer model with an item tower whose answers are known: the analytic one, seen from a rotated space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transfer.analytic.model import AnalyticTransfer
from transfer.arrays import F32, U64
from transfer.config import InterestConfig
from transfer.protocols import Fusion
from transfer.state.states import InterestStates


class RotatedTransfer:
    """Rotates queries and items alike, so that it ranks as the analytic model does, by other vectors."""

    def __init__(self, interest: InterestConfig, seed: int = 0) -> None:
        self._inner = AnalyticTransfer(interest)
        normal = np.random.default_rng(seed).normal(size=(interest.dim, interest.dim))
        self._rotation = np.linalg.qr(normal)[0].astype(np.float32)
        self.fingerprint = f"rotated-{seed}-{self._inner.fingerprint}"

    def __call__(self, states: InterestStates) -> Fusion:
        fusion = self._inner(states)
        return replace(
            fusion, fused=fusion.fused @ self._rotation, interests=fusion.interests @ self._rotation
        )

    def scenario_query(self, states: InterestStates, row: int, name: str) -> F32:
        query: F32 = self._inner.scenario_query(states, row, name) @ self._rotation
        return query

    def item_vectors(self, keys: U64, base: F32) -> F32:
        vectors: F32 = base @ self._rotation
        return vectors
