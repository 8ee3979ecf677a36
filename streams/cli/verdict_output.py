"""The verdict of a training, as a table and one sentence."""

from __future__ import annotations

from typing import Any

from streams.cli.console import show


def show_verdict(found: dict[str, Any]) -> None:
    """Figures of all methods and the model's differences from each baseline, slices down; then what they mean."""
    from streams.text_tables import TextTable

    methods, differences = found["methods"], found["differences"]
    figures = TextTable("NDCG@10", "targets", *methods)
    minus = TextTable("driftline minus", *differences)
    for table, least in ((figures, len("targets")), (minus, len("[-.000, +.000]"))):
        table.columns[0].min_width = max(map(len, found["slices"]))
        for column in table.columns[1:]:
            column.justify, column.min_width = "right", least
    for part, size in found["slices"].items():
        figures.add_row(part, f"{size['targets']:,}", *(_short(method[part]) for method in methods.values()))
        minus.add_row(part, *(_short(of[part]["difference"], "+") for of in differences.values()))
        minus.add_row("", *(_interval(of[part]) for of in differences.values()))
    show(f"verdict, on {_where(found)}:")
    show(figures)
    show(minus)
    show(f"The model is {found['sentence']}.")


def _where(found: dict[str, Any]) -> str:
    if found["judged_on"] == "holdout":
        return "the part that was held back"
    return "the later half of the validation part, by a model that has not learned it"


def _interval(found: dict[str, float]) -> str:
    """Of the model minus a baseline.

    >>> _interval({"low": -0.004, "high": 0.02})
    '[-.004, +.020]'
    """
    return f"[{_short(found['low'], '+')}, {_short(found['high'], '+')}]"


def _short(number: float, sign: str = "") -> str:
    """Three places, without the zero before the point."""
    return f"{number:{sign}.3f}".replace("0.", ".", 1)
