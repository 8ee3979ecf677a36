"""What lists of questions are worth to new users, as lines of a report."""

from __future__ import annotations

from typing import Any

from streams.learning.evaluation.tables import figure_text, markdown_table
from streams.text_tables import TextTable

NOTHING = "Too few users know the same items for questions to tell them apart."


def cold_start_lines(found: dict[str, Any]) -> list[str]:
    """A section in Markdown of `streams.learning.probes.figures.cold_start_figures`."""
    lines = ["## Cold start", ""]
    if not found:
        return [*lines, NOTHING, ""]
    asked = list(next(iter(found["ndcg@10"].values())))
    rows = [[name, *map(figure_text, by_asked.values())] for name, by_asked in found["ndcg@10"].items()]
    return [
        *lines,
        f"{found['interviews']:,} interviews of {found['users']:,} users of whom nothing was learned; liked is "
        + (
            "every act."
            if found["all_alike"]
            else f"{', '.join(found['likes'])}; all else is known and not liked."
        ),
        "",
        f"NDCG@10 of the liked items of one half, after answers about the other; {found['nothing_asked']:.4f} with nothing "
        "asked. The whole answer half is out of every ranking, asked or not.",
        "",
        *markdown_table(["asked", *asked], rows),
        "greedy minus each other list, 95 % interval of a paired bootstrap over users; * above zero, (-) below.",
        "",
        *markdown_table(
            ["greedy minus", *asked],
            [[name, *map(_interval, by_asked.values())] for name, by_asked in found["greedy_minus"].items()],
        ),
    ]


def cold_start_tables(found: dict[str, Any]) -> list[TextTable | str]:
    """For a terminal."""
    if not found:
        return [f"cold start: {NOTHING}"]
    means = found["ndcg@10"]
    table = TextTable("asked", *means, title=f"cold start: NDCG@10 of {found['users']:,} new users")
    table.title_justify = "left"
    table.add_row("0", *([figure_text(found["nothing_asked"])] * len(means)))
    differences = found["greedy_minus"]["most liked"]
    for asked in differences:
        table.add_row(asked, *(figure_text(by_asked[asked]) for by_asked in means.values()))
    return [
        table,
        *(
            f"greedy - most liked, {asked} asked: {_interval(one)} (95 %, {one['users']:,} users)"
            for asked, one in differences.items()
        ),
    ]


def _interval(found: dict[str, float]) -> str:
    mark = " *" if found["low"] > 0 else " (-)" if found["high"] < 0 else ""
    return f"{found['difference']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]{mark}"
