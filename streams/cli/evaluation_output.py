"""The figures of an evaluation on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.cli.console import print_json, show

if TYPE_CHECKING:
    from streams.text_tables import TextTable

SHOWN = (
    "all", "new", "new in the list", "repeat", "moved", "emerging", "old", "cold-user", "new visitors", "unknown",
)  # fmt: skip


def show_figures(figures: dict[str, Any], json_: bool) -> None:
    """One table a task and the subject's differences; or one line of JSON."""
    if json_:
        print_json(figures)
        return
    for name, found in figures["tasks"].items():
        show(_table(name, found))
        for line in _compared(found):
            show(line)


def _table(name: str, task: dict[str, Any]) -> TextTable:
    from streams.text_tables import TextTable

    parts = [part for part in SHOWN if part in task["slices"]]
    table = TextTable("method", *parts, title=f"{name}: NDCG@10, {task['targets']:,} targets")
    table.title_justify = "left"
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("targets", *(f"{task['slices'][part]['targets']:,}" for part in parts), end_section=True)
    for key, method in task["methods"].items():
        table.add_row(key, *(f"{method['slices'][part]['ndcg@10']:.4f}" for part in parts))
    return table


def _compared(task: dict[str, Any]) -> list[str]:
    """The subject's differences on all targets, one line for each other method."""
    return [
        f"{task['subject']} - {other}: {found['all']['difference']:+.4f} "
        f"[{found['all']['low']:+.4f}, {found['all']['high']:+.4f}]"
        for other, found in task["differences"].items()
    ]
