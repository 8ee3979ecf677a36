"""The cold start of `evaluate`: lists of questions side by side, judged by users of whom nothing was learned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from streams.learning.evaluation.head import FORMAT
from streams.learning.history import History
from streams.learning.probes.figures import cold_start_figures
from streams.learning.probes.fit import ASKED, ProbePlan, fit_lists, probe_material
from streams.learning.probes.judged import JudgedLists, judged_lists
from streams.learning.probes.opinions import like_rule, opinions_of
from streams.learning.probes.people import people_of
from streams.learning.split import Split
from streams.outputs import whole_file
from transfer.config import InterestConfig

NAME = "cold start"


class ColdStart:
    """Judges the lists of a history; each seed has other users who judge, and other halves of their items.

    Lists are fitted on the events of the other users before the test part. Those who judge are asked about all of their items,
    whenever they met them: they are new to everything that was fitted.
    """

    def __init__(
        self,
        history: History,
        split: Split,
        interest: InterestConfig,
        seeds: int,
        folder: Path | None = None,
        plan: ProbePlan = ProbePlan(),  # noqa: B008  # immutable
    ) -> None:
        """folder: where the results of each seed are kept; None: nowhere."""
        self._history, self._split, self._interest = history, split, interest
        self._seeds, self._folder, self._plan = seeds, folder, plan

    @property
    def total(self) -> int:
        """How many users are asked, over all seeds; `progress` counts up to it."""
        return sum(len(people_of(self._history, seed).judged) for seed in range(self._seeds))

    def figures(self, progress: Callable[[str, int], None] | None = None) -> dict[str, Any]:
        """As plain values: `cold_start_figures`, and which actions are likes. {} where too few users know the same items.

        progress: takes `NAME` and how many users were asked since the last call.

        Raises:
            EvaluationError: no event before the test part names an item.
        """
        tell = progress or (lambda name, done: None)
        weights = self._interest.action_weights
        rows = np.arange(len(self._history))
        all_opinions = opinions_of(self._history, rows, weights)
        judged = []
        tell(NAME, 0)
        for seed in range(self._seeds):
            material = probe_material(self._history, self._split, weights, seed)
            found = self._load(seed)
            if found is None:
                lists = fit_lists(material, self._plan, np.random.default_rng(seed))
                if lists is None:
                    return {}
                found = judged_lists(material, lists, all_opinions)
                self._save(seed, found)
            judged.append(found)
            tell(NAME, len(material.people.judged))
        figures = cold_start_figures(judged)
        rule = like_rule(opinions_of(self._history, self._split.before_test, weights))
        return figures and {
            **figures,
            "likes": rule.actions(self._interest.action_names, weights),
            "all_alike": rule.all_alike,
        }

    def _load(self, seed: int) -> JudgedLists | None:
        """What `_save` wrote of the same question; None: nothing, or of another one."""
        if self._folder is None:
            return None
        try:
            with np.load(self._folder / kept_name(seed)) as found:
                if found["identity"].item() != self._identity:
                    return None
                methods = [name for name in found.files if name not in ("identity", "user", "before")]
                return JudgedLists(
                    found["user"],
                    found["before"],
                    {name: dict(zip(ASKED, found[name], strict=True)) for name in methods},
                )
        except (OSError, BadZipFile, KeyError, ValueError):
            return None  # it is judged again

    def _save(self, seed: int, found: JudgedLists) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {
            "identity": np.array(self._identity),
            "user": found.user,
            "before": found.before,
            **{name: np.stack(list(by_asked.values())) for name, by_asked in found.after.items()},
        }
        with whole_file(self._folder / kept_name(seed)) as draft, draft.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @property
    def _identity(self) -> str:
        """Of all that the answer hangs on."""
        history, digest = self._history, hashlib.blake2b(digest_size=16)
        plan = json.dumps([FORMAT, asdict(self._plan), self._interest.action_weights.tolist(), ASKED])
        digest.update(f"{history.identity} {plan}".encode())
        for part in (history.user, history.item, history.action, self._split.before_test):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()


def kept_name(seed: int) -> str:
    """The file of a seed, in the folder of an evaluation's results.

    >>> kept_name(0)
    'cold-start.0.npz'
    """
    return f"cold-start.{seed}.npz"
