"""driftline fit"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import options
from streams.cli.console import console, load, print_json, reported, show
from streams.cli.log_input import EventFlags, LogInput, encode_texts, read_history
from streams.cli.progress import progress_bar
from streams.errors import SettingsError

if TYPE_CHECKING:
    from encoders.item_encoder import ItemEncoder


def fit(
    log: options.Log,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="ENCODER", help="Folder to write."),
    ],
    items: options.ItemTexts = None,
    map_: options.Map = "",
    items_map: options.ItemsMap = "",
    action: options.Action = None,
    scenario: options.Scenario = None,
    time_: options.Time = None,
    action_map: options.ActionMap = "",
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="Use only events before this time: unix seconds, or 2026-11-25[T12:00:00] in UTC.",
        ),
    ] = None,
    split: options.SplitBy = None,
    holdout_share: options.HoldoutShare = 0.0,
    force: options.ForceSplit = False,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Fit item vectors on a log: items that are met close together lie close together.

    Items without behaviour get their text mapped into the same space; the more often an item is met, the more its behaviour
    counts. Use the result with encoder.fitted = "ENCODER" in the settings of a new store: items, replay and run make all
    vectors with it.

    Example: driftline fit events.parquet --items items.parquet --map scenario=department --out ./encoder
    """
    from encoders.item_encoder import ItemEncoder
    from streams.learning.fit import fit_encoder, fit_passes, rows_before
    from streams.learning.split import SplitPlan
    from streams.outputs import check_output

    with reported():
        if until is not None and holdout_share:
            raise SettingsError("--until and --holdout-share both say where to stop; give one of them")
        check_output(out, force, folder=True)
        ItemEncoder.check_folder(out)
        settings = load(config, {"files": {"encoding": encoding, "delimiter": delimiter}})
        before = None if until is None else _unix_seconds(until)
        began = time.monotonic()
        given = LogInput(log, EventFlags(map_, action, scenario, time_, action_map), items, items_map)
        history = read_history(given, settings, json_)
        plan = SplitPlan(split, holdout_share, validation_share=0.0, force=force)
        if before is None:
            cut = plan.of(history)
            rows, left_out = cut.train, cut.leaves_out
        else:
            rows, left_out = rows_before(history, before), ""
        content = encode_texts(history, settings, None, json_)
        with progress_bar("fitting", fit_passes(), json_) as advance:
            encoder = fit_encoder(
                history, rows, settings.fit, advance, content, settings.encoder.dim, left_out
            )
        encoder.save(out)
        met = encoder.has_behaviour(history.item_keys)
        summary = {
            "encoder": str(out),
            "fingerprint": encoder.fingerprint,
            "dim": encoder.dim,
            "events": len(rows),
            "until": None if encoder.learned is None else encoder.learned.until,
            "items": len(history.items),
            "with_behaviour": int(met.sum()),
            "text_alone": 0 if content is None else int((content.known & ~met).sum()),
            "held_out_cosine": None if encoder.ridge is None else round(encoder.ridge.cosine, 4),
            **_by_pattern(encoder),
            "seconds": round(time.monotonic() - began, 1),
        }
        if json_:
            print_json(summary)
            return
        show(
            f"{summary['events']} events: {summary['with_behaviour']} of {summary['items']} items have behaviour, "
            f"{summary['text_alone']} text alone; {summary['seconds']} s"
        )
        if encoder.ridge is None:
            console.print("no text is mapped: too few items of the log have one")
        else:
            what = "texts" if encoder.joined is None else "contents"
            show(f"held-out cosine of mapped {what} and behaviour {summary['held_out_cosine']}")
            for pattern, cosine in summary.get("held_out_cosines", {}).items():
                show(f"  of items with {pattern}: {cosine}")
        show(
            f'written to {out}, fingerprint {encoder.fingerprint[:12]}; use it with encoder.fitted = "{out}"'
        )


def _by_pattern(encoder: ItemEncoder) -> dict[str, Any]:
    """Of encoders of several modalities alone."""
    if encoder.joined is None:
        return {}
    cosines = {"+".join(pattern): round(value, 4) for pattern, value in encoder.joined.cosines.items()}
    return {"held_out_cosines": cosines}


def _unix_seconds(text: str) -> float:
    """Unix seconds, or a date and time in UTC unless it names its zone.

    >>> _unix_seconds("1970-01-02"), _unix_seconds("12.5")
    (86400.0, 12.5)
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"--until {text!r} is not a time; give unix seconds, or a date such as 2026-11-25T12:00:00"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
