"""driftline evaluate"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import options
from streams.cli.console import console, fail, load, progress_lines, reported, show
from streams.cli.evaluation_checks import (
    RESULTS,
    check_folders,
    check_model_is_judged,
    check_words_are_judged,
)
from streams.cli.evaluation_output import show_figures
from streams.cli.evaluation_progress import evaluation_progress
from streams.cli.log_input import EventFlags, LogInput, encode_texts, read_history

if TYPE_CHECKING:
    from encoders.joined import ContentSpace
    from streams.learning.evaluation.kept import KeptResults
    from streams.learning.evaluation.methods.base import Content
    from streams.learning.evaluation.run import Evaluation
    from streams.learning.evaluation.weights import WeightShift
    from streams.learning.fit import ItemContent
    from streams.learning.history import History
    from streams.settings import Settings

QUICK = ("popularity", "popularity-7d", "own", "own+popularity-7d", "own+markov")
"""Methods that are judged where none is named: those that need no training."""
USERS = 4
"""Whose weights over time the report shows."""


class TaskChoice(StrEnum):
    """What is asked."""

    OPEN = "open"
    GIVEN = "given"
    BOTH = "both"


def evaluate(
    log: options.OptionalLog = None,
    items: Annotated[
        str | None,
        typer.Option(
            "--items", metavar="CATALOGUE", help="The catalogue, for texts and the items' scenarios."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="MODEL", help="A trained model, for the method driftline."),
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option("--encoder", metavar="ENCODER", help="A fitted item encoder.")
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            "--words",
            metavar="FOLDER",
            help="A tuned encoder, for the method words-tuned. Default: tuned on the log.",
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            metavar="A,B,C",
            help="Names, separated by commas; `--methods list` lists them. "
            f"Default: {','.join(QUICK)}, and driftline with --model.",
        ),
    ] = None,
    task: Annotated[
        TaskChoice,
        typer.Option("--task", help="open: rank everything; given: the request names its scenario."),
    ] = TaskChoice.OPEN,
    split: options.SplitBy = None,
    test_share: options.TestShare = 0.1,
    validation_share: options.ValidationShare = 0.1,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each method that is trained.")] = 3,
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject", metavar="METHOD", help="Compared with all others. Default: driftline, else the last."
        ),
    ] = None,
    dormant_days: Annotated[
        float,
        typer.Option("--dormant-days", min=0, help="Without events for this long, a scenario is dormant."),
    ] = 30.0,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, metavar="N", help="Only N test queries, drawn once.")
    ] = None,
    cold_items: Annotated[
        float,
        typer.Option(
            "--cold-items",
            min=0,
            max=0.9,
            metavar="SHARE",
            help="Hide all events with a random share of the items, and ask for those items alone, as if they had just come: "
            "what content says. 0: ask for everything, as it was.",
        ),
    ] = 0.0,
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", min=1, help="Most time that training one method may take.")
    ] = 600.0,
    cold_start: Annotated[
        bool,
        typer.Option(
            "--cold-start",
            help="Also judge which items to ask new users about: 5, 10 and 20 questions by several methods, answered by a "
            "quarter of the users, of whom nothing is learned.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FOLDER",
            help="Write report.md, results.json and plots there, and each method's results in results/ as soon as it is done.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="FOLDER",
            help="Keep each method's results there as soon as it is done, and go on with what is there.",
        ),
    ] = None,
    map_: options.Map = "",
    items_map: options.ItemsMap = "",
    action: options.Action = None,
    scenario: options.Scenario = None,
    time_: options.Time = None,
    action_map: options.ActionMap = "",
    force: options.ForceSplit = False,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    json_: options.Json = False,
    config: options.Config = None,
) -> None:
    """Judge methods side by side on a log: each basket is predicted from what is strictly earlier, then learned.

    Full ranking of all items that were seen before. Settings of each method are chosen on validation, never on test.
    Differences come with the 95 % interval of a paired bootstrap over users.

    Example: driftline evaluate events.parquet --items items.parquet --map scenario=department
    --methods popularity-7d,own,own+popularity-7d --task both --report ./report
    """
    from streams.learning.evaluation.artefacts import JUDGED, check_artefacts
    from streams.learning.evaluation.cold_items import asked_of
    from streams.learning.evaluation.head import head_of
    from streams.learning.evaluation.kept import KeptResults
    from streams.learning.evaluation.methods.base import Setup
    from streams.learning.evaluation.methods.registry import METHODS, names
    from streams.learning.evaluation.plan import Plan
    from streams.learning.evaluation.report import write_report
    from streams.learning.evaluation.run import evaluate as run_evaluation
    from streams.learning.evaluation.slices import DAY
    from streams.learning.evaluation.summary import summarise
    from streams.learning.probes.cold_start import ColdStart
    from streams.learning.split import split_of

    if (methods or "").strip() == "list":
        show("\n".join(METHODS))
        return
    if not log:
        raise typer.BadParameter("name the log to evaluate on", param_hint="LOG...")
    with reported():
        check_model_is_judged(model, encoder, methods)
        check_words_are_judged(words, methods)
        chosen = [*QUICK, *([JUDGED] if model else [])] if methods is None else names(methods)
        check_folders(report, resume, force)
        settings = load(config, {"files": {"encoding": encoding, "delimiter": delimiter}})
        given = LogInput(log, EventFlags(map_, action, scenario, time_, action_map), items, items_map)
        history = read_history(given, settings, json_)
        cut = split_of(history, split, test_share, validation_share, force)
        plan = Plan(
            methods=chosen,
            tasks=("open", "given") if task is TaskChoice.BOTH else (task.value,),
            seeds=seeds,
            sample=sample,
            dormant_s=dormant_days * DAY,
            force=force,
            cold_items=cold_items,
            setup=Setup(
                model=model,
                encoder=encoder,
                words=words,
                settings=settings,
                max_seconds=max_seconds,
                progress=progress_lines(json_),
            ),
        )
        check_artefacts(history, cut, plan)
        asked = asked_of(history, cut, plan)
        history, cut, tasks = asked.history, asked.split, asked.tasks
        plan = plan.with_content(_content(history, settings, json_))
        keep = None
        if (folder := resume or (report and report / RESULTS)) is not None:
            keep = KeptResults(folder, head_of(history, cut, plan), tasks, fresh=resume is None)
        total = sum(len(part.queries) for part in tasks) * sum(map(plan.runs, chosen))
        questions = (
            ColdStart(history, cut, settings.interest, seeds, resume or (report and report / RESULTS))
            if cold_start
            else None
        )
        of_questions: dict[str, Any] = {}
        try:
            with evaluation_progress(total + (questions.total if questions else 0)) as advance:
                evaluation = run_evaluation(history, cut, plan, advance, tasks=tasks, keep=keep)
                if questions is not None and not evaluation.interrupted:
                    of_questions = {"cold_start": questions.figures(advance)}
        except KeyboardInterrupt:
            _tell_kept(keep)
            raise
        figures = summarise(evaluation, subject)
        figures["data"] |= {"dormant_days": dormant_days, "cold_items": cold_items}
        figures |= of_questions
        written = None
        if report is not None and not evaluation.interrupted:
            shifts = _shifts(evaluation, settings, plan.setup.shared) if cut.progressive else []
            written = write_report(report, evaluation, figures, _command(), shifts)
        show_figures(figures, json_)
        if written is not None and not json_:
            show(f"report: {written}")
        for name, reason in evaluation.failed.items():
            console.print(f"{name} failed: {reason}", soft_wrap=True)
        if evaluation.interrupted:
            _tell_kept(keep)
            fail("interrupted", code=130)
        if evaluation.failed:
            fail(f"{len(evaluation.failed)} of {len(chosen)} methods failed: {', '.join(evaluation.failed)}")


def _tell_kept(keep: KeptResults | None) -> None:
    if keep is not None and keep.folder is not None:
        console.print(f"what is done is kept; go on with --resume {keep.folder}", soft_wrap=True)


def _content(history: History, settings: Settings, quiet: bool) -> Content | None:
    """Encodes the items' texts when a method asks for them, once for each whitening."""
    if not any(history.item_texts) and not history.media:
        return None
    held: dict[str, ItemContent | None] = {}

    def encoded(space: ContentSpace | None) -> ItemContent | None:
        key = "" if space is None else space.fingerprint
        if key not in held:
            held[key] = encode_texts(history, settings, space, quiet)
        return held[key]

    return encoded


def _shifts(evaluation: Evaluation, settings: Settings, shared: dict[Any, Any]) -> list[WeightShift]:
    """Of a few users who enter scenarios in the test window, by the trained model if one was judged, else the analytic one."""
    from streams.learning.evaluation.methods.driftline import TRAINED
    from streams.learning.evaluation.weights import ShownModel, emerging_users, weight_shifts
    from transfer.analytic.model import AnalyticTransfer

    history = evaluation.history
    shown = ShownModel("analytic", AnalyticTransfer(settings.interest, settings.transfer))
    if TRAINED in shared:
        shown = ShownModel("driftline", *shared[TRAINED])
    users = emerging_users(evaluation.tasks[0].facts, USERS)
    return weight_shifts(history, users, shown, settings.interest, float(history.time.min()))


def _command() -> str:
    """How this was called, for the report."""
    import shlex

    return shlex.join(["driftline", *sys.argv[1:]])
