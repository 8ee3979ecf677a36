"""The examples in the docstrings run."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["batching", "behaviour", "prepare", "unit", "unseen"])
def test_examples_are_true(name: str) -> None:
    """What the documentation shows is what happens."""
    result = doctest.testmod(importlib.import_module(f"encoders.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
