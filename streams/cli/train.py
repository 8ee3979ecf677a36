"""driftline train"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import options
from streams.cli.console import console, load, print_json, progress_lines, reported, show
from streams.cli.log_input import EventFlags, LogInput
from streams.cli.training_input import TrainingInput, read_training
from streams.cli.verdict_output import show_verdict

if TYPE_CHECKING:
    from streams.learning.training.network import Tell
    from streams.learning.training.train import MixtureData, TrainedModel
    from streams.settings import Settings


def train(
    log: options.Log,
    out: Annotated[Path, typer.Option("--out", metavar="MODEL", help="Folder to write.")],
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
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Default: train.seed.")] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="At most. Default: train.epochs.")
    ] = None,
    logs: Annotated[
        Path | None, typer.Option("--logs", metavar="FOLDER", help="Write TensorBoard logs there.")
    ] = None,
    verdict: Annotated[
        bool,
        typer.Option(
            "--verdict/--no-verdict",
            help="Say what the model is worth beside quick baselines: on the part of --holdout-share, else on the later half "
            "of the validation part, by a model that has not learned it.",
        ),
    ] = True,
    force: options.ForceSplit = False,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Train a transfer model on a log: what users did next, at every position of their history.

    States are those that replay and the daemon keep, by the same code. Without a GPU it takes minutes for some hundred
    thousand events. Use the model with transfer.model = "MODEL", or on an existing store with `driftline rebuild`.

    Example: driftline train events.parquet --items items.parquet --map scenario=department --out ./model
    """
    from streams.learning.split import SplitPlan
    from streams.learning.training.declared import fit_declared
    from streams.learning.training.train import prepare_mixture, require_training, weigh
    from streams.outputs import check_output
    from transfer.learned.folder import check_model_folder, save_model

    with reported():
        require_training()
        check_output(out, force, folder=True)
        check_model_folder(out)
        if logs is not None:
            check_output(logs, force, folder=True)
        files = {"encoding": encoding, "delimiter": delimiter}
        settings = load(
            config,
            {
                "train": {"seed": seed, "epochs": epochs},
                "files": files,
            },
        )
        began = time.monotonic()
        given = LogInput(log, EventFlags(map_, action, scenario, time_, action_map), items, items_map)
        plan = SplitPlan(split, holdout_share, validation_share, force)
        read = read_training(given, settings, encoder, plan, json_)
        run, tell, progressive = read.run, progress_lines(json_), read.split.progressive
        ready = prepare_mixture(
            run, progressive=progressive, logs=logs, bar=not json_ and console.is_terminal, tell=tell
        )
        done = weigh(ready, run.config, tell)
        if read.content is not None and done.model.mixture is not None:
            parts = [(fold.model, fold.later) for fold in ready.folds]
            done.report["declared"] = fit_declared(run, parts, read.content, done.model.mixture, tell)
        if verdict:
            done.report["verdict"] = _verdict(read, ready, done, settings, tell)
        done.report["seconds"] = round(time.monotonic() - began, 1)
        beside = None if encoder else lambda folder: run.data.encoder.save(folder / "encoder")
        fingerprint = save_model(out, done.model, done.counts, done.report, done.encoder, beside)
        summary = {
            "model": str(out),
            "fingerprint": fingerprint,
            "encoder": str(encoder or out / "encoder"),
            "events": len(run.rows),
            "validation_events": len(run.validation),
            "until": done.report["until"],
            "positions": done.report["positions"],
            "validation_new_ndcg10": round(done.report["best_new"], 5),
            "best_epoch": done.report["best_epoch"],
            "seed": settings.train.seed,
            "seconds": done.report["seconds"],
            "verdict": done.report.get("verdict"),
        }
        if json_:
            print_json(summary)
        else:
            _show(summary)


def _verdict(
    read: TrainingInput, ready: MixtureData, done: TrainedModel, settings: Settings, tell: Tell | None
) -> dict[str, Any] | None:
    """On the part that is held back, else on a part that a model like this one has not learned."""
    from streams.learning.evaluation.run import KNOWN_ERRORS
    from streams.learning.evaluation.verdict import encoder_knows, verdict
    from streams.learning.training.apart import Apart, model_apart

    held_back = bool(len(read.split.test))
    apart = Apart(done, read.split) if held_back else model_apart(ready, read.split.progressive, tell)
    if apart is None:
        return None
    if tell is not None:
        tell("verdict: beside the baselines")
    try:
        found = verdict(apart.model, read.run.data, apart.split, settings, read.content)
    except KNOWN_ERRORS as error:  # the model is there all the same
        console.print(f"no verdict: {error}", soft_wrap=True)
        return None
    if not read.encoder_is_new and encoder_knows(read.run.data, apart.split):
        found["sentence"] += " (flattered: the item encoder was fitted on this part, too, or does not tell)"
    return {**found, "judged_on": "holdout" if held_back else "later half of validation"}


def _show(summary: dict[str, Any]) -> None:
    model, encoder = summary["model"], summary["encoder"]
    show(
        f"{summary['positions']} positions, best epoch {summary['best_epoch']}, NDCG@10 of new items on validation "
        f"{summary['validation_new_ndcg10']}; {summary['seconds']} s"
    )
    if summary["verdict"] is not None:
        show_verdict(summary["verdict"])
    show(f"written to {model}, fingerprint {summary['fingerprint']}")
    show(
        f'for a new store: encoder.fitted = "{encoder}", transfer.model = "{model}"; for one made with that '
        f"encoder: driftline rebuild {model} --store STORE"
    )
