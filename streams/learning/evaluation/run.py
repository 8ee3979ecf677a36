"""Running methods over a log: fit, choose settings on validation, then predict and learn, forward in time."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.methods.base import Method, Setup, Tunable
from streams.learning.evaluation.methods.registry import METHODS, build
from streams.learning.evaluation.metrics import HEADLINE, values
from streams.learning.evaluation.ranks import TOP, rank_targets, shallow_ranks
from streams.learning.evaluation.slices import DAY, Facts, Slice, facts, slices
from streams.learning.evaluation.split import Split
from streams.learning.history import History
from streams.learning.homes import with_homes_of
from streams.learning.queries import Queries, first_rows
from transfer.arrays import I32, I64

BLOCK = 256
"""Most queries that are scored at once."""
WINDOWS = 256
"""A block spans at most this part of its window of time, so that what is learned meanwhile is never staler."""
TUNING_QUERIES = 2000
TUNING_TARGETS = 8000
"""Settings are chosen on about this many targets, and at most this many queries: large baskets tell much at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """The test queries of one task, "open" or "given", and what is known of their targets."""

    name: str
    queries: Queries
    facts: Facts
    slices: dict[str, Slice]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One method on one task."""

    method: str
    task: str
    rank: I32
    without_own: I32
    """`rank` and `without_own`: (S, T) int32 for each seed, as in `ranks.Ranked`"""
    top: I32
    """(Q, TOP) int32 lists of the first seed"""
    params: list[dict[str, Any]]
    """the settings chosen on validation, for each seed; empty where there are none"""
    curves: list[list[tuple[float, float]]]
    """learning curve of each seed, (epoch, `HEADLINE` on validation); empty where nothing was trained"""
    fit_s: float
    tune_s: float
    score_s: float
    """`fit_s`, `tune_s`, `score_s`: seconds, sums over the seeds; scoring includes learning and ranking"""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All methods on all tasks."""

    history: History
    """items belong where they did before what is judged (`homes.with_homes_of`)"""
    split: Split
    tasks: list[Task]
    results: list[Result]
    candidates: Candidates

    def of(self, task: str) -> list[Result]:
        """The results of one task, in the order in which methods were named."""
        return [result for result in self.results if result.task == task]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to evaluate, apart from the data."""

    methods: Sequence[str]
    """names of `registry.METHODS`"""
    tasks: Sequence[str] = ("open",)
    """"open", "given" or both"""
    seeds: int = 3
    """how often a method that is trained is trained again, with seeds 0, 1, .."""
    sample: int | None = None
    """at most this many test queries of each task, drawn once for all methods; None: all"""
    dormant_s: float = 30 * DAY
    """after this time without events a scenario counts as dormant"""
    setup: Setup = field(default_factory=Setup)

    def runs(self, name: str) -> int:
        """How often a method of the registry is run."""
        ready = name == "driftline" and self.setup.model is not None
        return self.seeds if name in METHODS and METHODS[name].trained and not ready else 1


def tasks_of(history: History, split: Split, plan: Plan) -> list[Task]:
    """The test queries of each task."""
    history = with_homes_of(history, split.train)
    candidates = candidates_of(history, split)
    tasks = []
    for name in plan.tasks:
        queries = split.queries(history, "test", name)
        if plan.sample is not None:
            queries = queries.sample(plan.sample, seed=0)
        known = facts(history, queries, candidates)
        tasks.append(Task(name, queries, known, slices(known, history.scenarios, plan.dormant_s)))
    return tasks


def candidates_of(history: History, split: Split, part: str = "test") -> Candidates:
    """Who competes in `part` ("validation" or "test") of a split: by time, or else the items of the parts before it."""
    if split.progressive:
        return Candidates(history)
    earlier = [split.train] if part == "validation" else [split.train, split.validation]
    return Candidates(history, np.sort(np.concatenate(earlier)))


def evaluate(
    history: History,
    split: Split,
    plan: Plan,
    progress: Callable[[str, int], None] | None = None,
    methods: Mapping[str, Callable[[Setup], Method]] | None = None,
    tasks: list[Task] | None = None,
) -> Evaluation:
    """Judge every method of the plan; `methods` adds ones that the registry does not have, by name.

    `progress` takes the method's name and how many test queries are done since the last call. `tasks` is what `tasks_of`
    gives, if it is there already.

    Raises:
        EvaluationError: a name is unknown, or a method does not fit this log.
        MissingExtra: a method needs a package that is not installed.
    """
    history = with_homes_of(history, split.train)
    judge = _Judge(history, split, plan, progress, tasks or tasks_of(history, split, plan))
    results = []
    for name in plan.methods:
        make = (methods or {}).get(name)
        runs = []
        for seed in range(plan.runs(name) if make is None else 1):
            setup = replace(plan.setup, seed=seed)
            runs.append(judge.run(name, make(setup) if make is not None else build(name, setup)))
        results += [_together(list(of_task)) for of_task in zip(*runs, strict=True)]
    return Evaluation(history, split, judge.tasks, results, judge.candidates)


def blocks(queries: Queries, size: int = BLOCK, windows: int = WINDOWS) -> Iterator[slice]:
    """Cut queries into runs of at most `size` that span at most 1/`windows` of their time."""
    if not len(queries):
        return
    begin, last = float(queries.time[0]), float(queries.time[-1])
    window = np.floor((queries.time - begin) * (windows / max(last - begin, 1e-9)))
    for part in np.split(np.arange(len(queries)), np.flatnonzero(np.diff(window)) + 1):
        for first in range(0, len(part), size):
            yield slice(int(part[first]), int(part[min(first + size, len(part)) - 1]) + 1)


class _Stream:
    """Events after the training part, in order of time; each is handed out once."""

    def __init__(self, history: History, split: Split) -> None:
        rows = np.concatenate([split.validation, split.test]) if split.progressive else np.empty(0, np.int64)
        self._rows: I64 = rows[np.argsort(history.time[rows], kind="stable")]
        self._times = history.time[self._rows]
        self._next = 0

    def until(self, time: float) -> I64:
        """Rows strictly before `time` that were not handed out yet."""
        end = max(int(np.searchsorted(self._times, time)), self._next)
        rows = self._rows[self._next : end]
        self._next = end
        return rows


class _Judge:
    """Runs one method after the other over the same queries."""

    def __init__(
        self,
        history: History,
        split: Split,
        plan: Plan,
        progress: Callable[[str, int], None] | None,
        tasks: list[Task],
    ) -> None:
        self._history, self._split, self._plan = history, split, plan
        self._progress = progress or (lambda name, done: None)
        self._first = first_rows(history)
        self.candidates = candidates_of(history, split)
        self._tuned_by = candidates_of(history, split, "validation")
        self.tasks = tasks
        self._validation = {task: split.queries(history, "validation", task) for task in plan.tasks}

    def run(self, name: str, method: Method) -> list[Result]:
        """Fit, tune and test one method; one result for each task."""
        started = clock.perf_counter()
        method.fit(self._history, self._split.train, self._validation[self._plan.tasks[0]])
        fitted = clock.perf_counter()
        stream = _Stream(self._history, self._split)
        params = self._tune(method, stream) if isinstance(method, Tunable) and len(method.grid) else {}
        tuned = clock.perf_counter()
        results = self._test(name, method, stream, params)
        seconds = clock.perf_counter() - tuned
        share = 1 / len(results)
        return [
            replace(
                result,
                fit_s=(fitted - started) * share,
                tune_s=(tuned - fitted) * share,
                score_s=seconds * share,
            )
            for result in results
        ]

    def _tune(self, method: Method, stream: _Stream) -> dict[str, dict[str, Any]]:
        """The settings of each task with the best mean of `HEADLINE` over the validation targets."""
        assert isinstance(method, Tunable)
        grid = [dict(params) for params in method.grid]
        sampled = {task: part.sample(_tuning_size(part), seed=1) for task, part in self._validation.items()}
        if len(grid) == 1:
            return dict.fromkeys(sampled, grid[0])
        total = {task: np.zeros(len(grid)) for task in sampled}
        for task, part in _in_time(sampled):
            rows = stream.until(float(part.time[0]))
            if len(rows):
                method.learn(rows)
            for number, params in enumerate(grid):
                method.set(**params)
                rank = shallow_ranks(method.scores(part), part, self._tuned_by)
                total[task][number] += values(rank, HEADLINE).sum()
        return {task: grid[int(np.argmax(sums))] for task, sums in total.items()}

    def _test(
        self, name: str, method: Method, stream: _Stream, params: dict[str, dict[str, Any]]
    ) -> list[Result]:
        """Predict, then learn, over the test queries of all tasks at once."""
        parts: dict[str, list[Any]] = {task.name: [] for task in self.tasks}
        for task, part in _in_time({task.name: task.queries for task in self.tasks}):
            rows = stream.until(float(part.time[0]))
            if len(rows):
                method.learn(rows)
            if task in params:
                assert isinstance(method, Tunable)
                method.set(**params[task])
            scores = method.scores(part)
            parts[task].append(rank_targets(scores, part, self.candidates, self._history, self._first))
            self._progress(name, len(part))
        return [
            Result(
                method=name,
                task=task,
                rank=np.concatenate([part.rank for part in ranked])[None],
                without_own=np.concatenate([part.without_own for part in ranked])[None],
                top=np.concatenate([part.top for part in ranked]).reshape(-1, TOP),
                params=[params[task]] if task in params else [],
                curves=[list(getattr(method, "curve", ()))],
                fit_s=0.0,
                tune_s=0.0,
                score_s=0.0,
            )
            for task, ranked in parts.items()
        ]


def _tuning_size(queries: Queries) -> int:
    """How many queries settings are chosen on."""
    return min(TUNING_QUERIES, TUNING_TARGETS * len(queries) // max(queries.targets, 1) + 1)


def _in_time(queries: Mapping[str, Queries]) -> Iterator[tuple[str, Queries]]:
    """Blocks of all tasks in order of their first query."""
    cut = [
        (float(part.time[block.start]), number, task, block)
        for number, (task, part) in enumerate(queries.items())
        for block in blocks(part)
    ]
    for _, _, task, block in sorted(cut, key=lambda entry: entry[:2]):
        yield task, queries[task].take(block)


def _together(results: list[Result]) -> Result:
    """One result of the runs with several seeds."""
    return replace(
        results[0],
        rank=np.concatenate([result.rank for result in results]),
        without_own=np.concatenate([result.without_own for result in results]),
        params=[params for result in results for params in result.params],
        curves=[curve for result in results for curve in result.curves],
        fit_s=sum(result.fit_s for result in results),
        tune_s=sum(result.tune_s for result in results),
        score_s=sum(result.score_s for result in results),
    )
