"""A user in words: the latest items' texts by scenario, and what the user has declared."""

from __future__ import annotations

from collections.abc import Iterable


def user_in_words(latest: Iterable[tuple[str, str]], title_chars: int, declared: str = "") -> str:
    """One text of a user. latest: (scenario, text) of items, the latest first; "" where there is no scenario.

    Items of one scenario stand together, the scenario of the latest item first.

    >>> user_in_words([("toys", "Red car"), ("food", "Apple sauce"), ("toys", "Blue train set")], 9, "trains")
    'trains. toys: Red car; Blue trai. food: Apple sau'
    >>> user_in_words([], 80)
    ''
    """
    by_scenario: dict[str, list[str]] = {}
    for scenario, text in latest:
        by_scenario.setdefault(scenario, []).append(text.strip()[:title_chars].strip())
    parts = [declared.strip()] if declared.strip() else []
    for scenario, texts in by_scenario.items():
        listed = "; ".join(texts)
        parts.append(f"{scenario}: {listed}" if scenario else listed)
    return ". ".join(parts)
