"""Tables of a report in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, and an empty one after it.

    >>> markdown_table(["method", "all"], [["own", "0.1000"]])
    ['| method | all |', '| --- | --- |', '| own | 0.1000 |', '']
    """
    lines = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def figure_text(value: float) -> str:
    """With four places.

    >>> figure_text(0.25)
    '0.2500'
    """
    return f"{value:.4f}"
