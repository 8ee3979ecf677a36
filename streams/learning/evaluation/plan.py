"""What is asked of methods, and on which targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.methods.base import Content, Setup
from streams.learning.evaluation.methods.registry import METHODS
from streams.learning.evaluation.slices import DAY, Facts, Slice, facts, slices
from streams.learning.history import History
from streams.learning.homes import with_homes_of
from streams.learning.queries import Queries
from streams.learning.split import Split
from transfer.arrays import F32, Bool


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """The test queries of one task, "open" or "given", and what is known of their targets."""

    name: str
    queries: Queries
    facts: Facts
    slices: dict[str, Slice]
    candidates: Candidates
    """who competes"""


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
    force: bool = False
    """judge a model though it, or its item encoder, doesn't tell until when it has learned"""

    cold_items: float = 0.0
    """share of the items of which methods see no event, and which alone are asked for; 0: everything is, as it was"""

    def with_content(self, content: Content | None) -> Plan:
        """The same, with what encodes the texts of the history's items."""
        if content is None:
            return self

        def vectors() -> tuple[F32, Bool]:
            found = content(None)
            assert found is not None
            return found.vectors, found.known

        return replace(self, setup=replace(self.setup, item_content=content, content=vectors))

    def runs(self, name: str) -> int:
        """How often a method of the registry is run."""
        given = {"driftline": self.setup.model, "words-tuned": self.setup.words}
        again = name in METHODS and METHODS[name].trained and given.get(name) is None
        return self.seeds if again else 1


def tasks_of(history: History, split: Split, plan: Plan) -> list[Task]:
    """The test queries of each task."""
    history = with_homes_of(history, split.train)
    candidates = Candidates.of_split(history, split)
    tasks = []
    for name in plan.tasks:
        queries = split.queries(history, "test", name)
        if plan.sample is not None:
            queries = queries.sample(plan.sample, seed=0)
        known = facts(history, queries, candidates)
        tasks.append(Task(name, queries, known, slices(known, history.scenarios, plan.dormant_s), candidates))
    return tasks
