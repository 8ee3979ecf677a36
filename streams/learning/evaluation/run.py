"""Running methods over a log, one after the other; what one of them can't do costs the others nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from encoders.errors import EncoderConfigError, EncoderError
from sinks.errors import StoreError
from streams.errors import EvaluationError, StreamsError
from streams.learning.evaluation.artefacts import check_artefacts
from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.judge import Judge, QueriesDone
from streams.learning.evaluation.kept import KeptResults
from streams.learning.evaluation.methods.base import Method, Setup
from streams.learning.evaluation.methods.registry import build
from streams.learning.evaluation.plan import Plan, Task, tasks_of
from streams.learning.evaluation.result import Result, joined
from streams.learning.history import History
from streams.learning.homes import with_homes_of
from streams.learning.split import Split
from transfer.errors import TransferError

KNOWN_ERRORS = (StreamsError, EncoderError, EncoderConfigError, StoreError, TransferError)
"""Say what to do; anything else is a fault of this program, and keeps its traceback."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All methods on all tasks."""

    history: History
    """items belong where they did before what is judged (`homes.with_homes_of`)"""
    split: Split
    tasks: list[Task]
    results: list[Result]
    candidates: Candidates
    failed: dict[str, str] = field(default_factory=dict)
    """by method, what kept it from being judged"""
    interrupted: bool = False
    """whether methods are missing because the run was interrupted"""

    def of(self, task: str) -> list[Result]:
        """The results of one task, in the order in which methods were named."""
        return [result for result in self.results if result.task == task]


def evaluate(
    history: History,
    split: Split,
    plan: Plan,
    progress: QueriesDone | None = None,
    methods: Mapping[str, Callable[[Setup], Method]] | None = None,
    tasks: list[Task] | None = None,
    keep: KeptResults | None = None,
) -> Evaluation:
    """Judge every method of the plan; `methods` adds ones that the registry does not have, by name.

    `progress` takes the method's name and how many test queries are done since the last call. `tasks` is what `tasks_of`
    gives, if it is there already. `keep` gets each method's results with each seed as soon as they are there, and gives those
    that it has. A method that fails is named in `failed`; an interruption ends the run with the methods that are done.

    Raises:
        EvaluationError: no method could be judged (or the only one's own error), or the model has learned from the test part.
        KeyboardInterrupt: interrupted before any was.
    """
    check_artefacts(history, split, plan)
    history = with_homes_of(history, split.train)
    judge = Judge(history, split, plan, tasks or tasks_of(history, split, plan), progress)
    results: list[Result] = []
    failed: dict[str, Exception] = {}
    interrupted = False
    for name in plan.methods:
        try:
            make = (methods or {}).get(name)
            runs = [_run(judge, plan, name, seed, make, keep) for seed in range(_runs(plan, name, make))]
        except KeyboardInterrupt:
            if not results:
                raise
            interrupted = True
            break
        except Exception as error:
            failed[name] = error
            continue
        results += [joined(list(of_task)) for of_task in zip(*runs, strict=True)]
    if not results:
        _raise(failed)
    reasons = {name: _reason(error) for name, error in failed.items()}
    return Evaluation(history, split, judge.tasks, results, judge.candidates, reasons, interrupted)


def _raise(failed: Mapping[str, Exception]) -> None:
    """All have failed: with their reasons, or the first error that is a fault of this program."""
    for error in failed.values():
        if len(failed) == 1 or not isinstance(error, KNOWN_ERRORS):
            raise error
    raise EvaluationError("; ".join(f"{name}: {error}" for name, error in failed.items()))


def _reason(error: Exception) -> str:
    """One line of what this program says itself, else the traceback."""
    return str(error) if isinstance(error, KNOWN_ERRORS) else "".join(traceback.format_exception(error))


def _runs(plan: Plan, name: str, make: Callable[[Setup], Method] | None) -> int:
    return plan.runs(name) if make is None else 1


def _run(
    judge: Judge,
    plan: Plan,
    name: str,
    seed: int,
    make: Callable[[Setup], Method] | None,
    keep: KeptResults | None,
) -> list[Result]:
    """The results of one method and seed on each task: those that are kept, or new ones."""
    done = None if keep is None else keep.load(name, seed)
    if done is not None:
        judge.skip(name)
        return done
    setup = replace(plan.setup, seed=seed)
    found = judge.run(name, make(setup) if make is not None else build(name, setup))
    if keep is not None:
        keep.save(found, seed)
    return found
