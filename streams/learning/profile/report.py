"""A profile as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from streams.learning.profile.clock import Clock
from streams.learning.profile.durations import duration, durations
from streams.learning.profile.facts import LogStatistics, Quantiles
from streams.learning.profile.proposal import KINDS
from streams.learning.profile.run import Profile
from streams.learning.profile.settings_file import NOT_MEASURED, is_setting, toml
from streams.learning.split import Split
from streams.text_tables import TextTable

CLOCKS = {
    "seconds": "times as fine as they look",
    "days": "days: no order within a day, its events are one basket",
    "positions": "positions: half-lives count a user's events",
    "pages": "pages sent as a whole: short gaps say nothing about interest",
}


def report_tables(profile: Profile) -> list[TextTable]:
    """What the log is, the evidence, and the proposal."""
    return [
        _log(profile.facts, profile.split),
        _spread(profile.facts),
        _evidence(profile),
        _proposal(profile),
    ]


def _log(facts: LogStatistics, split: Split) -> TextTable:
    table = TextTable("", "", title="the log", show_header=False)
    positions = facts.clock.kind == "positions"
    rows = [
        ("events", f"{facts.events:,}" + (f" ({facts.rejected:,} rejected)" if facts.rejected else "")),
        *([("clocks", str(facts.strays))] if str(facts.strays) else []),
        ("users", f"{facts.users:,}"),
        ("items", f"{facts.items:,} with events, {facts.catalogue_items:,} known"),
        (
            "scenarios",
            f"{facts.scenarios:,}; items {'belong to them' if facts.items_belong_to_scenarios else 'do not belong to them'}",
        ),
        ("time", _when(facts)),
        ("timestamps", f"{CLOCKS[facts.clock.kind]}; {_percent(facts.clock.tied_share)} tied"),
        ("actions", ", ".join(f"{name} {_percent(share)}" for name, share in facts.actions.items() if share)),
        ("repeats", f"{_percent(facts.repeat_share)} of events are on an item that the user had before"),
        ("baskets", f"{facts.baskets:,}" + ("" if positions else f", in {facts.visits:,} visits")),
        ("text", f"{_percent(facts.text_items)} of items, {_percent(facts.text_events)} of events"),
        (
            "new scenarios",
            f"{_percent(facts.new_scenario_share)} of events are among the user's first five in one; "
            f"{_percent(facts.late_scenario_users)} of users enter one late",
        ),
    ]
    if not positions:
        pause = f"{_percent(facts.dormant_scenario_share)} of events come after a pause of 30 d in theirs"
        rows.append(("dormant scenarios", pause))
    rows.append(
        (
            "split",
            ", ".join(f"{name} {len(part):,}" for name, part in split.parts().items())
            + f" events, by {split.name}",
        )
    )
    for row in rows:
        table.add_row(*row)
    return table


def _spread(facts: LogStatistics) -> TextTable:
    table = TextTable("", "5 %", "25 %", "half", "75 %", "95 %", title="how it spreads")
    counted: Sequence[tuple[str, Quantiles]] = (
        ("events of a user", facts.events_per_user),
        ("items of a user", facts.items_per_user),
        ("scenarios of a user", facts.scenarios_per_user),
        ("events of a basket", facts.basket_size),
        ("events of a visit", facts.visit_events),
    )
    for name, found in counted if facts.clock.kind != "positions" else counted[:-1]:
        table.add_row(name, *(f"{value:.0f}" for value in found.values()))
    timed = (
        ("gap within a visit", facts.gap_within_visit),
        ("gap between visits", facts.gap_between_visits),
        ("history of a user", facts.span_of_user),
    )
    for name, found in timed:
        if found:
            table.add_row(name, *(duration(value, facts.clock) for value in found.values()))
    return table


def _evidence(profile: Profile) -> TextTable:
    clock, proposal = profile.facts.clock, profile.proposal
    table = TextTable("NDCG@10 on validation", "half-lives", "", title="the evidence")
    if proposal.weakness:
        table.caption = f"{NOT_MEASURED}: {proposal.weakness}"
    for kind, curve in proposal.curves.items():
        table.add_row(
            f"items {KINDS[kind]}, best alone", duration(curve.peak_s, clock), f"{curve.mean.max():.4f}"
        )
        for name, mixed in proposal.compared[kind].items():
            table.add_row(
                f"items {KINDS[kind]}, {name}", _lives(mixed.half_lives_s, clock), f"{mixed.ndcg:.4f}"
            )
    if proposal.trend is not None:
        best = proposal.trend
        table.add_row(
            "popular items, new to the user, best alone",
            duration(best.peak_s, clock),
            f"{best.mean.max():.4f}",
        )
        table.add_row("popular items, new to the user", "all time", f"{best.mean[-1]:.4f}")
    return table


def _proposal(profile: Profile) -> TextTable:
    table = TextTable("setting", "value", "why", title="proposed")
    for section, choices in profile.proposal.sections.items():
        for key, choice in choices.items():
            mark = "" if is_setting(section, key) else " *"
            table.add_row(f"{section}.{key}{mark}", toml(choice.value), choice.reason)
    if any(not is_setting(s, k) for s, choices in profile.proposal.sections.items() for k in choices):
        table.caption = "* not in the settings of this release: an option of that command"
    return table


def _lives(lives: Sequence[float], clock: Clock) -> str:
    return durations(lives, clock)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _when(facts: LogStatistics) -> str:
    if facts.clock.kind == "positions":
        return f"positions {facts.first_time:.0f} to {facts.last_time:.0f}"
    first, last = (
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d") for at in (facts.first_time, facts.last_time)
    )
    return f"{first} to {last}, {duration(facts.last_time - facts.first_time, facts.clock)}"
