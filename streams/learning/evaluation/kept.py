"""KeptResults: a folder with the results of each method that is done, so that an evaluation can be interrupted and compared.

- evaluation.json: what was evaluated; all of it must be equal where an evaluation goes on.
- targets.open.npz, one a task: user (T,), item (T,), row (T,) of the history, query (T,), slices (K, T) bool, slice (K,) their
  names, without_own (K,) whether a slice is of the family `new`.
- own+markov.0.open.npz, a method, its seed and a task: rank (1, T), without_own (1, T), top (Q, 10); head: the rest, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from streams.errors import EvaluationError, OutputError
from streams.learning.evaluation.plan import Task
from streams.learning.evaluation.result import Result
from streams.outputs import whole_file

HEAD = "evaluation.json"
SUFFIX = ".npz"


class KeptResults:
    """Results in a folder; each file appears whole, as soon as a method has been judged."""

    def __init__(self, folder: Path, head: Mapping[str, Any], tasks: list[Task], fresh: bool = False) -> None:
        """Go on with a folder whose head says the same, or begin one with the first result.

        head: plain values (see `head.head_of`). fresh: what is there is not looked at, and goes with the first result.

        Raises:
            EvaluationError: the folder holds another evaluation, which is told by what differs, or something else.
        """
        self._folder, self._head, self._tasks = folder, head, tasks
        self._begun = not fresh and _goes_on(folder, head)

    def load(self, method: str, seed: int) -> list[Result] | None:
        """The results of all tasks, or None where one of them is missing."""
        if not self._begun:
            return None
        paths = [self._folder / result_file(method, seed, task.name) for task in self._tasks]
        return [read_result(path) for path in paths] if all(path.is_file() for path in paths) else None

    def save(self, results: list[Result], seed: int) -> None:
        """Write the results of one method and seed, of each task.

        Raises:
            OutputError: the folder can't be written.
        """
        self._begin()
        for result in results:
            named = {one.name: getattr(result, one.name) for one in fields(result)}
            arrays = {name: value for name, value in named.items() if isinstance(value, np.ndarray)}
            head = json.dumps({name: value for name, value in named.items() if name not in arrays})
            self._write(
                result_file(result.method, seed, result.task),
                {**arrays, "head": np.frombuffer(head.encode(), np.uint8)},
            )

    @property
    def folder(self) -> Path | None:
        """Where results are; None: there is none yet."""
        return self._folder if self._begun else None

    def _begin(self) -> None:
        if self._begun:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for path in (*results_in(self._folder), *self._folder.glob(targets_file("*"))):
                path.unlink()
        except OSError as error:
            raise OutputError(f"can't write {self._folder}: {error.strerror or error}") from None
        for task in self._tasks:
            self._write(targets_file(task.name), _targets(task))
        with whole_file(self._folder / HEAD) as draft:
            draft.write_text(json.dumps(self._head, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        self._begun = True

    def _write(self, name: str, arrays: Mapping[str, Any]) -> None:
        with whole_file(self._folder / name) as draft, draft.open("wb") as file:
            np.savez_compressed(file, **arrays)


def targets_file(task: str) -> str:
    """Where the targets of a task and their slices are.

    >>> targets_file("open")
    'targets.open.npz'
    """
    return f"targets.{task}{SUFFIX}"


def result_file(method: str, seed: int, task: str) -> str:
    """Where a result is.

    >>> result_file("own+markov", 0, "open")
    'own+markov.0.open.npz'
    """
    return f"{method}.{seed}.{task}{SUFFIX}"


def results_in(folder: Path) -> list[Path]:
    """The files of all results in a folder, by name."""
    return sorted(
        path for path in folder.glob(f"*.*.*{SUFFIX}") if not path.name.startswith((".", "targets."))
    )


def read_result(path: Path) -> Result:
    """What `KeptResults.save` wrote.

    Raises:
        EvaluationError: the file is damaged, or of another release.
    """
    try:
        with np.load(path) as found:
            named = {name: found[name] for name in found.files if name != "head"}
            head = json.loads(found["head"].tobytes())
        curves = [[(float(at), float(value)) for at, value in curve] for curve in head["curves"]]
        return Result(**named, **{**head, "curves": curves})
    except (OSError, BadZipFile, KeyError, TypeError, ValueError) as error:
        raise EvaluationError(
            f"{path} can't be read ({error}); delete it, and its method is judged again"
        ) from None


def _targets(task: Task) -> dict[str, Any]:
    queries, parts = task.queries, task.slices
    return {
        "user": task.facts.user,
        "item": queries.target_item,
        "row": queries.target_row,
        "query": queries.target_query,
        "slice": np.array(list(parts)),
        "slices": np.array([part.chosen for part in parts.values()]),
        "without_own": np.array([part.without_own for part in parts.values()]),
    }


def _goes_on(folder: Path, head: Mapping[str, Any]) -> bool:
    """Whether the folder holds results of the same evaluation; False: nothing is there."""
    path = folder / HEAD
    try:
        if not path.exists():
            # Files of targets alone, or parts of them, are of one that was killed as it began.
            if folder.exists() and any(
                not one.name.startswith((".", "targets.")) for one in folder.iterdir()
            ):
                raise EvaluationError(f"{folder} holds no results of an evaluation; name another folder")
            return False
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path} can't be read ({error}); name another folder") from None
    now = json.loads(json.dumps(head))
    differ = [
        f"{name} ({_short(before.get(name))} there, {_short(now.get(name))} now)"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
    if differ:
        raise EvaluationError(
            f"{folder} holds results of another evaluation; what differs: {'; '.join(differ)}. Name another folder"
        )
    return True


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
