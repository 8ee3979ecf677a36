"""driftline tune-encoder"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from streams.cli import options
from streams.cli.console import load, print_json, progress_lines, reported, show
from streams.cli.log_input import EventFlags, LogInput, read_history


def tune_encoder(
    log: options.Log,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write.")],
    items: Annotated[
        str | None, typer.Option("--items", metavar="CATALOGUE", help="The catalogue, for the items' texts.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="MODEL",
            help="What is tuned: minilm, smollm2, or the folder of a transformers encoder or causal language model. "
            "Default: words.base.",
        ),
    ] = None,
    method: Annotated[
        Literal["lora", "dora", "adalora", "full"] | None,
        typer.Option("--method", help="Adapters, or all weights. Default: words.method.", show_default=False),
    ] = None,
    cross: Annotated[
        bool,
        typer.Option(
            "--cross",
            help="One reading of user and item together, for pairs: dearer by far, and not for ranking all items.",
        ),
    ] = False,
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
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Default: words.seed.")] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="At most. Default: words.steps.", show_default=False)
    ] = None,
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", min=1, help="Most time for training; the best so far is kept.")
    ] = 3600.0,
    logs: Annotated[
        Path | None, typer.Option("--logs", metavar="FOLDER", help="Write TensorBoard logs there.")
    ] = None,
    force: options.ForceSplit = False,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Tune a text model on a log: a user's latest items in words against the next item in words.

    It tells most of items that nobody took yet. Stops when validation is no longer better; the folder holds adapters, and
    their base is found again where it was. Judge it with `driftline evaluate --words FOLDER --methods words-tuned`.

    Example: driftline tune-encoder events.parquet --items items.parquet --holdout-share 0.1 --out ./words
    """
    from encoders.tuned.folder import check_words_folder, save_words
    from streams.learning.split import SplitPlan
    from streams.learning.words.holdout import holdout_figures
    from streams.learning.words.run import WordsRun
    from streams.learning.words.tune_encoder import require_tuning
    from streams.learning.words.tune_encoder import tune_encoder as tune
    from streams.outputs import check_output

    with reported():
        require_tuning()
        check_output(out, force, folder=True)
        check_words_folder(out)
        if logs is not None:
            check_output(logs, force, folder=True)
        given = {"base": base, "method": method, "seed": seed, "steps": steps}
        settings = load(config, {"words": given, "files": {"encoding": encoding, "delimiter": delimiter}})
        source = LogInput(log, EventFlags(map_, action, scenario, time_, action_map), items, items_map)
        history = read_history(source, settings, json_)
        cut = SplitPlan(split, holdout_share, validation_share, force).of(history)
        tell = progress_lines(json_)
        run = WordsRun.of_split(history, cut)
        tuned = tune(run, settings.words, cross=cross, max_seconds=max_seconds, logs=logs, tell=tell)
        if len(cut.test):
            tuned.report["holdout"] = holdout_figures(tuned, history, cut)
        fingerprint = save_words(out, tuned)
        summary = {
            "words": str(out),
            "fingerprint": fingerprint,
            "base": tuned.base.name,
            "method": settings.words.method,
            "cross": cross,
            "until": tuned.learned.until,
            "seed": settings.words.seed,
            **tuned.report,
        }
        if json_:
            print_json(summary)
        else:
            _show(summary)


def _show(summary: dict[str, Any]) -> None:
    best = summary["best"]
    show(
        f"{summary['steps']} steps on {summary['positives']:,} positives ({summary['stopped']}), best at step "
        f"{best['step']:.0f}: NDCG@10 {best['ndcg@10']:.4f}, AUC {best['auc']:.3f}, F1 {best['f1']:.3f} on validation; "
        f"{summary['seconds']} s, at most {summary['peak_mib']:,} MiB"
    )
    if best["step"] == 0:
        show("the base as it is was best: nothing was gained by tuning on this log")
    if (held := summary.get("holdout")) is not None:
        show(f"on the part that is held out: AUC {held['auc']:.3f}, F1 {held['f1']:.3f}")
    show(f"written to {summary['words']}, fingerprint {summary['fingerprint']}")
