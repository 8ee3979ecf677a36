"""The commands of `driftline`. Each is one file and imports what it needs when it runs."""

from __future__ import annotations

import typer

from streams.cli import (
    acknowledge_loss,
    broker,
    consent,
    dead_letters,
    doctor,
    evaluate,
    expire,
    explain,
    export,
    fit,
    follow_mirror,
    forget,
    items,
    manifest,
    probe,
    profile,
    profiles,
    quickstart,
    rebuild,
    recommend,
    redrive,
    repair,
    replay,
    run,
    simulate,
    train,
    tune,
    tune_encoder,
)

TRY, FILL, LEARN, READ, TEND = (
    "Try it",
    "Fill a store: history from files, then the stream",
    "Learn from a log",
    "Read a store",
    "Look after it",
)

app = typer.Typer(
    name="driftline",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # locals may hold secrets and user ids
    help="""Keeps an interest vector for every user, across scenarios, and moves it while they act.

Begin with **driftline quickstart**. Every command has its own --help with an example.

Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong usage or settings, 130 interrupted.""",
)

app.command("quickstart", rich_help_panel=TRY)(quickstart.quickstart)
app.command("simulate", rich_help_panel=TRY)(simulate.simulate)
app.command("broker", rich_help_panel=TRY)(broker.broker)

app.command("items", rich_help_panel=FILL)(items.items)
app.command("profiles", rich_help_panel=FILL)(profiles.profiles)
app.command("replay", rich_help_panel=FILL)(replay.replay)
app.command("run", rich_help_panel=FILL)(run.run)
app.command("redrive", rich_help_panel=FILL)(redrive.redrive)
app.command("manifest", rich_help_panel=FILL)(manifest.manifest)

app.command("profile", rich_help_panel=LEARN)(profile.profile)
app.command("fit", rich_help_panel=LEARN)(fit.fit)
app.command("train", rich_help_panel=LEARN)(train.train)
app.command("tune", rich_help_panel=LEARN)(tune.tune)
app.command("tune-encoder", rich_help_panel=LEARN)(tune_encoder.tune_encoder)
app.command("probe", rich_help_panel=LEARN)(probe.probe)
app.command("evaluate", rich_help_panel=LEARN)(evaluate.evaluate)
app.command("rebuild", rich_help_panel=LEARN)(rebuild.rebuild)
app.command("refuse", hidden=True)(rebuild.refuse)

app.command("recommend", rich_help_panel=READ)(recommend.recommend)
app.command("explain", rich_help_panel=READ)(explain.explain)
app.command("export", rich_help_panel=READ)(export.export)

app.command("doctor", rich_help_panel=TEND)(doctor.doctor)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=TEND)
app.command("repair", rich_help_panel=TEND)(repair.repair)
app.command("follow-mirror", rich_help_panel=TEND)(follow_mirror.follow_mirror)
app.command("forget", rich_help_panel=TEND)(forget.forget)
app.command("consent", rich_help_panel=TEND)(consent.consent)
app.command("expire", rich_help_panel=TEND)(expire.expire)
app.command("acknowledge-loss", rich_help_panel=TEND)(acknowledge_loss.acknowledge_loss)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("driftline"))
        raise typer.Exit
