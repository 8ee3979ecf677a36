"""driftline profile"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.cli import options
from streams.cli.console import console, load, print_json, reported, show
from streams.cli.log_input import EventFlags, LogInput, read_history

if TYPE_CHECKING:
    from streams.learning.history import History
    from streams.learning.profile.facts import LogStatistics
    from streams.learning.profile.preset_choices import PresetEvidence
    from streams.settings import Settings


def profile(
    log: options.Log,
    items: Annotated[
        str | None, typer.Option("--items", metavar="CATALOGUE", help="The catalogue that belongs to it.")
    ] = None,
    map_: options.Map = "",
    items_map: options.ItemsMap = "",
    action: options.Action = None,
    scenario: options.Scenario = None,
    time_: options.Time = None,
    action_map: options.ActionMap = "",
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the settings that fit the log to this TOML file."),
    ] = None,
    split: options.SplitBy = None,
    test_share: options.TestShare = 0.1,
    validation_share: options.ValidationShare = 0.1,
    force: options.ForceSplit = False,
    plots: Annotated[
        Path | None, typer.Option("--plots", metavar="FOLDER", help="Draw gaps, evidence and sizes as PNG.")
    ] = None,
    preset: Annotated[
        Literal["shop", "news", "video", "music", "games", "ads", "support"] | None,
        typer.Option(
            "--preset",
            help="Add what is usual there and the log can't tell: half-lives of small logs, lengths of texts, amounts that "
            "weigh. What the log tells wins.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the sample of questions.")] = 0,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Describe a log, and propose settings that fit it: half-lives, own items, scenarios, windows.

    Half-lives come from the gaps between events and from how well they predict the validation part, the one that evaluate
    chooses settings on; nothing is chosen by its test part. A log of sessions needs seconds and minutes, one of groceries days
    and months.

    Examples: driftline profile events.parquet --items items.parquet --map scenario=department --out driftline.toml
              driftline profile events.csv --preset shop --out driftline.toml
    """
    from streams.events.proposal import events_toml
    from streams.learning.profile.preset_choices import with_preset
    from streams.learning.profile.report import report_tables
    from streams.learning.profile.run import profile as run_profile
    from streams.learning.profile.settings_file import actions_text, settings_text, write_settings
    from streams.learning.split import SplitPlan
    from streams.outputs import check_output

    with reported():
        settings = load(config, {"files": {"encoding": encoding, "delimiter": delimiter}})
        if out is not None:
            check_output(out, force)
        if plots is not None:
            from streams.learning.profile.plots import check_plots

            check_plots()
            check_output(plots, force, folder=True)
        given = LogInput(log, EventFlags(map_, action, scenario, time_, action_map), items, items_map)
        proposed = given.proposed_events(settings)
        if proposed:
            settings = settings.with_events(proposed)
            console.print(
                "the log is read as these settings say, which are proposed by its first rows; look at them:\n"
                + events_toml(proposed),
                soft_wrap=True,
            )
        history = read_history(given, settings, json_)
        with console.status("looking at gaps, asking questions") if not json_ else nullcontext():
            plan = SplitPlan(split, test_share, validation_share, force)
            profiled = run_profile(history, settings.interest, seed, plan)
        notes: list[str] = []
        if preset is not None:
            seen = _preset_evidence(given, settings, history, profiled.facts)
            proposal, notes = with_preset(profiled.proposal, preset, seen, settings)
            profiled = replace(profiled, proposal=proposal)
        drawn: list[Path] = []
        if plots is not None:
            from streams.learning.profile.plots import draw_profile

            drawn = draw_profile(profiled, history, plots)
        if out is not None:
            names = ", ".join(name.rstrip("/").rpartition("/")[2] for name in log)
            head = f"Proposed by driftline profile for {names}: {len(history):,} events (log {history.identity[:16]})."
            said = given.described(settings).model_dump(exclude_unset=True)
            events = "\n" + events_toml(said) if said else ""
            interest = settings.interest
            if "weigh" in profiled.proposal.sections.get("interest", {}):
                interest = interest.model_copy(update={"weigh": {}})
            text = settings_text(profiled.proposal, head, notes) + events + actions_text(interest)
            write_settings(out, text, force)
        if json_:
            print_json(
                {
                    **profiled.as_dict(),
                    "events": proposed,
                    "preset": None if preset is None else {"name": preset, "notes": notes},
                    "out": str(out) if out else None,
                    "plots": [str(p) for p in drawn],
                }
            )
            return
        for table in report_tables(profiled):
            show(table)
        for note in notes:
            show(note)
        if out is not None:
            show(f"settings written to {out}")
        if drawn:
            show(f"{len(drawn)} plots in {plots}")


def _preset_evidence(
    given: LogInput, settings: Settings, history: History, facts: LogStatistics
) -> PresetEvidence:
    """What log and catalogue show of what presets are about."""
    from streams.learning.profile.preset_choices import PresetEvidence

    catalogue = given.open_catalogue(settings)
    amounts, rows = given.amounts(settings)
    return PresetEvidence(
        facts=facts,
        texts=[text for text in history.item_texts if text],
        catalogue_fields=None
        if catalogue is None
        else frozenset(name for file in catalogue.files for name in file.columns),
        amounts=amounts,
        rows=rows,
    )
