"""Judge: fits a method, chooses its settings on validation, then lets it predict and learn, forward in time."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.families import ALL, FAMILIES, NEW, Family, best_of_each, edges_of
from streams.learning.evaluation.later_events import LaterEvents
from streams.learning.evaluation.methods.base import Method, Refitted, Tunable
from streams.learning.evaluation.metrics import HEADLINE, values
from streams.learning.evaluation.pairs import QUERIES as PAIR_QUERIES
from streams.learning.evaluation.pairs import PairTally
from streams.learning.evaluation.plan import Plan, Task
from streams.learning.evaluation.ranks import (
    TOP,
    Ranked,
    own_columns,
    rank_targets,
    shallow_family_ranks,
)
from streams.learning.evaluation.reliability import ReliabilityTally
from streams.learning.evaluation.result import Result
from streams.learning.history import History
from streams.learning.pair_figures import taken_items
from streams.learning.queries import Queries, first_rows, new_targets
from streams.learning.split import Split
from streams.learning.stray_clocks import own_span

BLOCK = 256
"""Most queries that are scored at once."""
WINDOWS = 256
"""A block spans at most this part of its window of time, so that what is learned meanwhile is never staler."""
TUNING_QUERIES = 2000
TUNING_TARGETS = 8000
"""Settings are chosen on about this many targets, and at most this many queries: large baskets tell much at once."""

Chosen = Mapping[Family, dict[str, Any]]
"""The settings of each slice family."""
QueriesDone = Callable[[str, int], None]
"""Takes a method's name and how many of its queries are done since the last call."""


def blocks(queries: Queries, size: int = BLOCK, windows: int = WINDOWS) -> Iterator[slice]:
    """Cut queries into runs of at most `size` that span at most 1/`windows` of the time of nearly all of them."""
    if not len(queries):
        return
    begin, last = own_span(queries.time)  # else one late straggler would make all others a few blocks
    window = np.floor((queries.time - begin) * (windows / max(last - begin, 1e-9)))
    for part in np.split(np.arange(len(queries)), np.flatnonzero(np.diff(window)) + 1):
        for first in range(0, len(part), size):
            yield slice(int(part[first]), int(part[min(first + size, len(part)) - 1]) + 1)


class Judge:
    """Runs one method after the other over the same queries."""

    def __init__(
        self,
        history: History,
        split: Split,
        plan: Plan,
        tasks: list[Task],
        progress: QueriesDone | None = None,
    ) -> None:
        self._history, self._split, self._plan = history, split, plan
        self._progress = progress or (lambda name, done: None)
        self._first = first_rows(history)
        self.candidates = tasks[0].candidates  # all tasks have the same
        self._tuned_by = Candidates.of_split(history, split, "validation")
        self.tasks = tasks
        self._validation = {task: split.queries(history, "validation", task) for task in plan.tasks}

    def run(self, name: str, method: Method) -> list[Result]:
        """Fit, tune and test one method; one result for each task.

        Settings are chosen with what the training part taught; before the test begins the method has the validation part, too.
        """
        self._progress(name, 0)
        started = clock.perf_counter()
        method.fit(self._history, self._split.train, self._validation[self._plan.tasks[0]])
        fitted = clock.perf_counter()
        stream = LaterEvents(self._history, self._split)
        params, thresholds = self._choose(method, stream)
        edges = {task.name: self._edges(method, params.get(task.name, {})) for task in self.tasks}
        tuned = clock.perf_counter()
        self._take_validation(method, stream)
        refitted = clock.perf_counter()
        results = self._test(name, method, stream, params, thresholds)
        seconds = clock.perf_counter() - refitted
        share = 1 / len(results)
        return [
            replace(
                result,
                edges=edges[result.task],
                fit_s=(fitted - started + refitted - tuned) * share,
                tune_s=(tuned - fitted) * share,
                score_s=seconds * share,
            )
            for result in results
        ]

    def skip(self, name: str) -> None:
        """A method's results are there already."""
        self._progress(name, sum(len(task.queries) for task in self.tasks))

    def _choose(self, method: Method, stream: LaterEvents) -> tuple[dict[str, Chosen], dict[str, float]]:
        """By the validation part: settings of each task and family, where there are any, and the threshold of pairs."""
        grid = [dict(params) for params in method.grid] if isinstance(method, Tunable) else []
        size = _tuning_size if len(grid) > 1 else lambda part: PAIR_QUERIES
        sampled = {task: part.sample(size(part), seed=1) for task, part in self._validation.items()}
        pairs = {task: self._pairs(self._tuned_by, part, max(len(grid), 1)) for task, part in sampled.items()}
        if len(grid) > 1:
            params = self._tune(method, grid, sampled, stream, pairs)
            place = {task: grid.index(dict(chosen[ALL])) for task, chosen in params.items()}
            return params, {task: tally.threshold(place[task]) for task, tally in pairs.items()}
        if grid:
            assert isinstance(method, Tunable)
            method.set(**grid[0])
        for task, part in _in_time(sampled):
            rows = stream.until(float(part.time[0]))
            if len(rows):
                method.learn(rows)
            pairs[task].add(method.scores(part), part)
        params = {task: dict.fromkeys(FAMILIES, grid[0]) for task in sampled} if grid else {}
        return params, {task: tally.threshold() for task, tally in pairs.items()}

    def _pairs(self, candidates: Candidates, queries: Queries, settings: int = 1) -> PairTally:
        taken = taken_items(self._history, self._split.train)
        return PairTally(self._history, candidates, taken, queries, settings)

    def _tune(
        self,
        method: Method,
        grid: list[dict[str, Any]],
        sampled: Mapping[str, Queries],
        stream: LaterEvents,
        pairs: Mapping[str, PairTally],
    ) -> dict[str, Chosen]:
        """The settings of each task and family with the best sum of `HEADLINE` over the validation targets."""
        assert isinstance(method, Tunable)
        total = {task: {family: np.zeros(len(grid)) for family in FAMILIES} for task in sampled}
        for task, part in _in_time(sampled):
            rows = stream.until(float(part.time[0]))
            if len(rows):
                method.learn(rows)
            own = own_columns(part, self._tuned_by, self._history, self._first)
            for number, params in enumerate(grid):
                method.set(**params)
                scores = method.scores(part)
                pairs[task].add(scores, part, number)
                found = shallow_family_ranks(scores, part, self._tuned_by, own)
                for family, rank in found.items():
                    total[task][family][number] += values(rank, HEADLINE).sum()
        return {task: best_of_each(grid, sums) for task, sums in total.items()}

    def _edges(self, method: Method, chosen: Chosen) -> list[str]:
        """Of what was chosen here for a task, and in the method's own fitting."""
        grid = list(method.grid) if isinstance(method, Tunable) else []
        tried = getattr(method, "tried", None) or grid
        return list(dict.fromkeys([*edges_of(tried, chosen), *getattr(method, "edges", ())]))

    def _take_validation(self, method: Method, stream: LaterEvents) -> None:
        """Learn what is left of the validation part, and fit again what learning alone leaves as it was."""
        rows = stream.until(float(self._history.time[self._split.test].min()))
        if len(rows):
            method.learn(rows)
        if self._split.progressive and isinstance(method, Refitted):
            method.refit()

    def _test(
        self,
        name: str,
        method: Method,
        stream: LaterEvents,
        params: Mapping[str, Chosen],
        thresholds: Mapping[str, float],
    ) -> list[Result]:
        """Predict, then learn, over the test queries of all tasks at once."""
        parts: dict[str, list[Ranked]] = {task.name: [] for task in self.tasks}
        tally = partial(ReliabilityTally, self._history, self.candidates, self._first)
        tallies = {task.name: tally() for task in self.tasks if getattr(method, "probabilities", False)}
        pairs = {task.name: self._pairs(self.candidates, task.queries) for task in self.tasks}
        for task, part in _in_time({task.name: task.queries for task in self.tasks}):
            rows = stream.until(float(part.time[0]))
            if len(rows):
                method.learn(rows)
            told: list[PairTally | ReliabilityTally] = [pairs[task]]
            if task in tallies:
                told.append(tallies[task])
            parts[task].append(self._ranked(method, part, params.get(task), told))
            self._progress(name, len(part))
        return [
            Result(
                method=name,
                task=task,
                rank=np.concatenate([part.rank for part in ranked])[None],
                without_own=np.concatenate([part.without_own for part in ranked])[None],
                top=np.concatenate([part.top for part in ranked]).reshape(-1, TOP),
                params=[dict(params[task])] if task in params else [],
                edges=[],
                curves=[list(getattr(method, "curve", ()))],
                fit_s=0.0,
                tune_s=0.0,
                score_s=0.0,
                reliability=tallies[task].result().packed if task in tallies else np.empty(0),
                pairs=pairs[task].figures(thresholds[task]),
            )
            for task, ranked in parts.items()
        ]

    def _ranked(
        self,
        method: Method,
        part: Queries,
        chosen: Chosen | None,
        tallies: Sequence[PairTally | ReliabilityTally],
    ) -> Ranked:
        """Ranks with the settings of each family; queries with new targets are scored twice where the settings differ."""
        if chosen is not None:
            assert isinstance(method, Tunable)
            method.set(**chosen[ALL])
        found = self._rank(method, part, tallies)
        if chosen is None or chosen[NEW] == chosen[ALL]:
            return found
        fresh = np.zeros(len(part), np.bool_)
        fresh[part.target_query[new_targets(part, self._first)]] = True
        asked = np.flatnonzero(fresh)
        if not len(asked):
            return found
        assert isinstance(method, Tunable)
        method.set(**chosen[NEW])
        without_own = found.without_own.copy()
        without_own[fresh[part.target_query]] = self._rank(method, part.take(asked)).without_own
        return replace(found, without_own=without_own)

    def _rank(
        self, method: Method, part: Queries, tallies: Sequence[PairTally | ReliabilityTally] = ()
    ) -> Ranked:
        scores = method.scores(part)
        for tally in tallies:
            tally.add(scores, part)
        return rank_targets(scores, part, self.candidates, self._history, self._first)


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
