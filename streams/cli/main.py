"""driftline: the command line. Each command is one file and imports what it needs when it runs."""

from __future__ import annotations

import typer

from streams.cli import (
    acknowledge_loss,
    broker,
    dead_letters,
    doctor,
    evaluate,
    explain,
    export,
    fit,
    items,
    manifest,
    profile,
    quickstart,
    recommend,
    redrive,
    refuse,
    repair,
    replay,
    run,
    simulate,
    train,
    tune,
)

app = typer.Typer(
    name="driftline",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # locals may hold secrets and user ids
    add_completion=False,
    help="""Keeps an interest vector for every user, across scenarios, and moves it while they act.

Begin with **driftline quickstart**. Then: **fit** learns item vectors from a log, **items** loads a catalogue, **replay** a
historical log, **run** follows Kafka, **recommend** and **explain** read the result, **refuse** makes all vectors anew with
another model. Every command has its own --help with examples.

Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong usage or settings.""",
)

app.command("quickstart")(quickstart.quickstart)
app.command("items")(items.items)
app.command("fit")(fit.fit)
app.command("profile")(profile.profile)
app.command("replay")(replay.replay)
app.command("manifest")(manifest.manifest)
app.command("redrive")(redrive.redrive)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("run")(run.run)
app.command("recommend")(recommend.recommend)
app.command("explain")(explain.explain)
app.command("export")(export.export)
app.command("refuse")(refuse.refuse)
app.command("simulate")(simulate.simulate)
app.command("broker")(broker.broker)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(dead_letters.app, name="dead-letters")
app.command("repair")(repair.repair)
app.command("doctor")(doctor.doctor)
app.command("acknowledge-loss")(acknowledge_loss.acknowledge_loss)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("driftline"))
        raise typer.Exit


def main() -> None:
    """Entry point of the `driftline` program."""
    app()
