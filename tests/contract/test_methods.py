"""The methods of `driftline evaluate` that need neither texts nor a trained model keep the method's contract."""

from __future__ import annotations

import pytest

from contract.method_contract import Make, MethodContract
from streams.learning.evaluation.methods.registry import build

NAMES = (
    "popularity",
    "popularity-7d",
    "debuts-7d",
    "own",
    "own+popularity-7d",
    "own+markov",
    "own+ease",
    "itemknn",
    "userknn",
    "ials",
    "ease",
    "markov",
    "analytic",
)


@pytest.mark.parametrize("name", NAMES)
class TestMethods(MethodContract):
    @pytest.fixture
    def make(self, name: str) -> Make:
        return lambda setup: build(name, setup)
