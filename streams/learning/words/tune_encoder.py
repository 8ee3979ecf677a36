"""Tuning a text encoder on a history."""

from __future__ import annotations

import resource
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from encoders.device import torch_device
from encoders.tuned.adapter import Adaptation
from encoders.tuned.base_model import base_files, load_base
from encoders.tuned.config import WordsConfig
from encoders.tuned.folder import TunedWords
from encoders.tuned.models import BiEncoder, CrossEncoder
from encoders.tuned.objective import Objective, PairOdds, SampledSoftmax
from encoders.tuned.tower import TextTower, passes_in_bf16
from encoders.tuned.training import Goal, RecordFigures, tune_towers
from streams.errors import MissingExtra
from streams.learning.words.examples import word_examples
from streams.learning.words.run import WordsRun
from streams.learning.words.user_words import UserWords
from streams.learning.words.validation import bi_goal, cross_goal, word_cases

SHOWN = ("loss", "bce", "precision", "recall", "f1", "auc", "ndcg@10")


def require_tuning() -> None:
    """Check that the extra is installed.

    Raises:
        MissingExtra: it isn't.
    """
    for name in ("torch", "transformers", "peft", "tensorboard"):
        if find_spec(name) is None:
            raise MissingExtra(f"tuning an encoder needs {name}: pip install 'driftline[llm]'")


def tune_encoder(
    run: WordsRun,
    config: WordsConfig,
    *,
    cross: bool = False,
    max_seconds: float = 3600.0,
    logs: Path | None = None,
    tell: Callable[[str], None] | None = None,
) -> TunedWords:
    """Tune on the run's rows, stop by its validation queries.

    logs: folder of TensorBoard scalars.

    Raises:
        EncoderError: the base can't be used, or a package is missing.
        TrainingError: too little to learn from.
    """
    tell = tell or (lambda line: None)
    words = UserWords(run.history, config.latest, config.title_chars)
    examples = word_examples(run.history, run.rows, words)
    cases = word_cases(run.history, run.rows, run.validation, words, config)
    files = base_files(config.base)
    device = torch_device(config.device)
    base = load_base(files)
    torch.manual_seed(config.seed)
    adaptation = Adaptation(base.network, config)
    tower = TextTower(base, config.max_length, passes_in_bf16(config.precision, device))
    tower.network = adaptation.network
    model: BiEncoder | CrossEncoder = CrossEncoder(tower) if cross else BiEncoder(tower)
    model.to(device)
    objective: Objective
    goal: Goal
    if isinstance(model, CrossEncoder):
        objective, goal = PairOdds(model, examples, config), cross_goal(model, cases)
    else:
        objective, goal = (
            SampledSoftmax(model, examples, config),
            bi_goal(model, cases, examples, config),
        )
    count = sum(each.numel() for each in adaptation.trained)
    tell(
        f"{len(examples.item):,} examples; {count:,} weights are trained; {len(cases.taken):,} pairs of validation"
    )
    record, close = _recorder(logs, tell)
    try:
        course = tune_towers(model, adaptation, objective, examples, goal, config, (max_seconds, record))
    finally:
        close()
    report: dict[str, Any] = {
        "best": course.best,
        "looks": course.looks,
        "steps": course.steps,
        "positives": course.positives,
        "stopped": course.stopped,
        "seconds": round(course.seconds, 1),
        "trained_weights": count,
        "ranks": course.ranks,
        "peak_mib": peak_mib(),
        "device": str(device),
        "precision": "bf16" if passes_in_bf16(config.precision, device) else "fp32",
    }
    return TunedWords(model, adaptation, files, config, run.learned, report)


def peak_mib() -> int:
    """The most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _recorder(logs: Path | None, tell: Callable[[str], None]) -> tuple[RecordFigures, Callable[[], None]]:
    """Scalars for TensorBoard, and a line for each look."""
    writer = None
    if logs is not None:
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(logs))

    def record(step: int, figures: dict[str, float] | Any) -> None:
        if writer is not None:
            for name, value in figures.items():
                writer.add_scalar(name, value, step)
        looked = [
            f"{name} {figures[f'validation/{name}']:.4f}" for name in SHOWN if f"validation/{name}" in figures
        ]
        if looked:
            tell(f"step {step}: {', '.join(looked)}")

    return record, (writer.close if writer is not None else lambda: None)
