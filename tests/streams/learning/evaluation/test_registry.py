"""The registry of methods."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.registry import METHODS, build


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_where_the_registry_says(name: str) -> None:
    """A name that is offered gives a method of that name."""
    assert build(name, Setup()).name in (name, METHODS[name].module)


def test_the_docs_say_what_each_method_makes_of_history_and_items() -> None:
    """docs/learning.md has a row for each that is not one of ours with something taken out, and names its module."""
    page = (Path(__file__).parents[4] / "docs" / "learning.md").read_text()
    rows = [
        line for line in page.partition("## Behaviour encoders")[2].splitlines() if line.startswith("| `")
    ]
    for name, entry in METHODS.items():
        if not entry.variant and not name.startswith("words"):
            (row,) = [row for row in rows if f"`{name}`" in row.split("|")[1]]
            assert name in ("driftline", "analytic") or f"methods/{entry.module}.py" in row
