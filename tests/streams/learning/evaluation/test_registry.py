"""The registry of methods."""

from __future__ import annotations

import pytest

from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.registry import METHODS, build


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_where_the_registry_says(name: str) -> None:
    """A name that is offered gives a method of that name."""
    assert build(name, Setup()).name in (name, METHODS[name].module)
