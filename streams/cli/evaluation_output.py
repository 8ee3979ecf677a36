"""The figures of an evaluation on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from streams.cli.console import print_json, show

if TYPE_CHECKING:
    from streams.text_tables import TextTable

SHOWN = (
    "all", "new", "new in the list", "repeat", "moved", "emerging", "old", "cold-user", "new visitors", "unknown",
)  # fmt: skip
ABREAST = 5
"""Methods that stand side by side on eighty columns, with whole figures."""


def show_figures(figures: dict[str, Any], json_: bool) -> None:
    """One table a task and the subject's differences; or one line of JSON."""
    from streams.learning.evaluation.cold_start_lines import cold_start_tables

    if json_:
        print_json(figures)
        return
    for name, found in figures["tasks"].items():
        methods = list(found["methods"])
        for begin in range(0, len(methods), ABREAST):
            show(_table(name, found, methods[begin : begin + ABREAST]))
        for line in _compared(found):
            show(line)
    if "cold_start" in figures:
        for one in cold_start_tables(figures["cold_start"]):
            show(one)


def _table(name: str, task: dict[str, Any], methods: Sequence[str]) -> TextTable:
    """Slices down, methods across."""
    from streams.text_tables import TextTable

    table = TextTable("slice", "targets", *methods, title=f"{name}: NDCG@10, {task['targets']:,} targets")
    table.title_justify = "left"
    table.columns[0].min_width = max(map(len, SHOWN))
    for column in table.columns[1:]:
        column.justify, column.min_width = "right", len("targets")
    for part in SHOWN:
        if part in task["slices"]:
            figures = (task["methods"][method]["slices"][part]["ndcg@10"] for method in methods)
            table.add_row(
                part, f"{task['slices'][part]['targets']:,}", *(f"{figure:.4f}" for figure in figures)
            )
    return table


def _compared(task: dict[str, Any]) -> list[str]:
    """The subject's differences on all targets, one line for each other method."""
    return [
        f"{task['subject']} - {other}: {found['all']['difference']:+.4f} "
        f"[{found['all']['low']:+.4f}, {found['all']['high']:+.4f}]"
        for other, found in task["differences"].items()
    ]
