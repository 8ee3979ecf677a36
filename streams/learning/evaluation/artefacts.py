"""What a trained model that is judged brings along: each part tells which events it learned from; none may be the test's.

Whitening and the vectors of names are made of texts alone, and settings are a handful of numbers: they carry no events.
"""

from __future__ import annotations

from datetime import UTC, datetime

from encoders.item_encoder import ItemEncoder
from encoders.learned_from import LearnedFrom
from streams.errors import EvaluationError
from streams.learning.evaluation.plan import Plan
from streams.learning.history import History
from streams.learning.split import Split

JUDGED = "driftline"
"""The method that takes a trained model."""
WORDS = "words-tuned"
"""The method that takes a tuned encoder."""


def check_artefacts(history: History, split: Split, plan: Plan) -> None:
    """Refuse a model that is to be judged, its item encoder, or a tuned encoder, if it has learned from the test part, or
    (unless the plan's `force` is set) does not tell.

    Raises:
        EvaluationError: one has, or doesn't tell.
        ModelError, EncoderError: a folder can't be read.
    """
    setup = plan.setup
    if setup.words is not None and WORDS in plan.methods:
        from encoders.tuned.folder import about_words

        learned = about_words(setup.words).learned
        _check_part(f"the tuned encoder {setup.words}", learned, "tune-encoder", history, split, plan.force)
    if setup.model is None or JUDGED not in plan.methods:
        return
    from transfer.learned.folder import report_of

    report = report_of(setup.model)
    told = {"until": report.get("until"), "log": report.get("data"), "left_out": report.get("left_out", "")}
    parts = {f"the model {setup.model}": (LearnedFrom.of(told), "train")}
    if setup.encoder_folder is not None:
        learned = ItemEncoder.load(setup.encoder_folder).learned
        parts = {f"the item encoder {setup.encoder_folder}": (learned, "fit"), **parts}
    for what, (learned, command) in parts.items():
        _check_part(what, learned, command, history, split, plan.force)


def _check_part(
    what: str, learned: LearnedFrom | None, command: str, history: History, split: Split, force: bool
) -> None:
    advice = f"make it with `driftline {command} --holdout-share` of the test's share"
    if split.name == "last":
        advice += " and --split last"
    if learned is not None:
        _check(what, learned, history, split, advice)
    elif not force:
        raise EvaluationError(
            f"{what} doesn't tell until when it has learned (an earlier release made it, or its encoder); {advice}, or go on "
            "with --force"
        )


def _check(what: str, learned: LearnedFrom, history: History, split: Split, advice: str) -> None:
    begin = float(history.time[split.test].min())
    left_out = learned.left_out == "last" == split.name and learned.log == history.identity
    if learned.until < begin or left_out:
        return
    when = ""
    if split.progressive:
        when = (
            f" up to {_moment(learned.until, history)}, and the test part begins at {_moment(begin, history)}"
        )
    raise EvaluationError(f"{what} has learned from events that it would be judged by{when}; {advice}")


def _moment(time: float, history: History) -> str:
    """A time for people; a number where it is none."""
    if history.has_positions:
        return f"{time:g}"
    return datetime.fromtimestamp(time, UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
