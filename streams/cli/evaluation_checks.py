"""What `driftline evaluate` refuses before it begins."""

from __future__ import annotations

from pathlib import Path

from streams.errors import SettingsError

RESULTS = "results"
"""Folder in the report's, where each method's results are kept."""


def check_model_is_judged(model: Path | None, encoder: Path | None, methods: str | None) -> None:
    """Refuse a model or an encoder that no method would use.

    Raises:
        SettingsError: an encoder without a model (a method that is trained here fits its own), or a model that is not judged.
    """
    from streams.learning.evaluation.artefacts import JUDGED
    from streams.learning.evaluation.methods.registry import names

    if encoder is not None and model is None:
        raise SettingsError(
            "--encoder is the item encoder of a trained model: give --model too; without one, what is trained here fits its own"
        )
    if model is not None and methods is not None and JUDGED not in names(methods):
        raise SettingsError(f"--model is for the method {JUDGED}, which --methods does not name")


def check_words_are_judged(words: Path | None, methods: str | None) -> None:
    """Refuse a tuned encoder that no method would use.

    Raises:
        SettingsError: the method that takes it is not named.
    """
    from streams.learning.evaluation.artefacts import WORDS
    from streams.learning.evaluation.methods.registry import names

    if words is not None and (methods is None or WORDS not in names(methods)):
        raise SettingsError(f"--words is for the method {WORDS}, which --methods does not name")


def check_folders(report: Path | None, resume: Path | None, force: bool) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        SettingsError: something is in the place of the report, or the folder to resume can't be one.
    """
    from streams.outputs import check_output

    if resume is not None:
        check_output(resume, force=True, folder=True)
    if report is None:
        return
    kept = report / RESULTS
    alone = report.is_dir() and [path.name for path in report.iterdir()] == [RESULTS]
    if alone and resume is None and not force:
        raise SettingsError(
            f"{report} holds what an interrupted evaluation has done: go on with --resume {kept}, or begin anew with --force"
        )
    check_output(report, force or (alone and resume == kept), folder=True)
