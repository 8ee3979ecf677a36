"""driftline tune"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import options
from streams.cli.console import load, print_json, progress_lines, reported, show
from streams.cli.log_input import EventFlags, LogInput
from streams.cli.training_input import read_training


def tune(
    log: options.Log,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Write the best [train] section to this TOML file.")
    ],
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, help="Budget; a trial under way is cut off.")
    ] = 60.0,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="At most this many trials.")] = None,
    encoder: options.Encoder = None,
    items: options.ItemTexts = None,
    map_: options.Map = "",
    items_map: options.ItemsMap = "",
    action: options.Action = None,
    scenario: options.Scenario = None,
    time_: options.Time = None,
    action_map: options.ActionMap = "",
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    split: options.SplitBy = None,
    validation_share: options.ValidationShare = 0.1,
    holdout_share: options.HoldoutShare = 0.0,
    force: options.ForceSplit = False,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Search for training settings within a budget; the first trial is that of the settings at hand.

    Trials are judged by the ranking of items new to the user in the validation part, and cut off when they fall behind.

    Example: driftline tune events.parquet --minutes 60 --out tuned.toml
    """
    from streams.learning.profile.settings_file import write_settings
    from streams.learning.split import SplitPlan
    from streams.learning.training.train import require_training
    from streams.learning.training.tune import SEARCHED
    from streams.learning.training.tune import tune as search
    from streams.outputs import check_output

    with reported():
        require_training()
        check_output(out, force)
        settings = load(config, {"files": {"encoding": encoding, "delimiter": delimiter}})
        given = LogInput(log, EventFlags(map_, action, scenario, time_, action_map), items, items_map)
        plan = SplitPlan(split, holdout_share, validation_share, force)
        run = read_training(given, settings, encoder, plan, json_).run
        tuned = search(
            run,
            seconds=60 * minutes,
            trials=trials,
            tell=progress_lines(json_),
        )
        lines = [f"{name} = {getattr(tuned.config, name)!r}" for name in SEARCHED]
        text = "\n".join(["# written by driftline tune", "[train]", *lines]) + "\n"
        write_settings(out, text, force)
        if json_:
            print_json(
                {
                    "best": tuned.best,
                    "settings": {n: getattr(tuned.config, n) for n in SEARCHED},
                    "trials": tuned.trials,
                }
            )
            return
        show(
            f"best NDCG@10 of new items on validation {tuned.best:.5f} in {len(tuned.trials)} trials; written to {out}"
        )
