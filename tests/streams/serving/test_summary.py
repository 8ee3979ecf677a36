"""The sentence that `explain` begins with."""

from __future__ import annotations

import pytest

from streams.serving.summary import WeightedScenario, summary

DAY = 86400.0
NOON = 1767096000.0
"""2025-12-30 12:00 UTC"""


def _latest(*names: str, every: float = DAY, end: float = NOON + 20 * DAY) -> list[tuple[float, str]]:
    return [(end - every * (len(names) - 1 - n), name) for n, name in enumerate(names)]


@pytest.mark.parametrize(
    ("weights", "names", "every", "says"),
    [
        (
            [("drugs", 0.7, 0.4), ("food", 0.3, -0.4)],
            ["food"] * 20 + ["food", "drugs", "drugs", "food"] + ["drugs"] * 7 + ["food"],
            DAY,
            "moved to drugs: 9 of the last 12 events, since 9 January",
        ),
        (
            [("drugs", 0.7, 0.4), ("food", 0.3, -0.4)],
            ["food", "drugs", "drugs"],
            600.0,
            "moved to drugs: 2 of the last 3 events, since 11:50 UTC on 19 January",
        ),
        (
            [("drugs", 0.7, 0.4), ("food", 0.3, -0.4)],
            ["drugs", "drugs"],
            400 * DAY,
            "moved to drugs: 2 of the last 2 events, since 15 December 2024",
        ),
        (
            [("food", 0.8, 0.0), ("drugs", 0.2, 0.0)],
            ["food"] * 11 + ["drugs"],
            DAY,
            "stays with food: 11 of the last 12 events",
        ),
        (
            [("food", 0.4, 0.0), ("drugs", 0.35, 0.0), ("toys", 0.25, 0.0)],
            ["food", "drugs"],
            DAY,
            "between food (40%) and drugs (35%): 1 and 1 of the last 2 events",
        ),
        (
            [("food", 0.8, 0.0), ("drugs", 0.2, 0.0)],
            ["drugs"] * 12,
            DAY,
            "still food, though none of the last 12 events is there",
        ),
        (
            [("food", 1.0, 0.0)],
            ["food"] * 3,
            DAY,
            "only food so far: 3 of the last 3 events, since 17 January",
        ),
        ([("food", 1.0, 0.0)], ["food"], DAY, "one event so far, in food"),
        ([], [], DAY, "nothing that was liked yet"),
    ],
)
def test_what_happened_is_said_in_one_sentence(
    weights: list[tuple[str, float, float]], names: list[str], every: float, says: str
) -> None:
    """Where the interest is, how many of the latest events say so, and since when."""
    scenarios = [WeightedScenario(*one) for one in weights]
    assert summary(scenarios, _latest(*names, every=every), NOON + 20 * DAY) == says
