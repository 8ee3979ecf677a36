"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib

import pytest

NAMES = [
    "baskets",
    "caps",
    "durations",
    "half_life_scores",
    "facts",
    "half_lives",
    "questions",
    "reach",
    "settings_file",
    "trend",
]


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_true(name: str) -> None:
    """What the documentation shows is what happens."""
    result = doctest.testmod(importlib.import_module(f"streams.learning.profile.{name}"))
    assert result.attempted > 0 and result.failed == 0
