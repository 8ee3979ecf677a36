"""Probes: the items to ask new users about, as `driftline probe` wrote them, and those of them that a store can show.

Only users who have neither acted nor declared an interest are asked; what they answer comes as ordinary events, and from the
first act on the model answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sinks.item_filter import AttributeTest, passes_all
from sinks.points import ItemRecord, item_key
from sinks.protocols import Store
from streams.errors import SettingsError
from streams.outputs import whole_file
from transfer.state.states import InterestStates

FORMAT = "driftline-probes"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Probe:
    """One item to ask about. known: share of users who know it; liked: share of these who like it; gain: what the answers to
    it, beside those to the probes before it, added to the NDCG@10 of users by whom it was chosen."""

    item_id: str
    known: float
    liked: float
    gain: float
    reason: str
    if_liked: Mapping[str, float] = field(default_factory=dict)
    """the items that gain most by the answer "I like it", and what it adds to the share of users who like them"""
    if_not: Mapping[str, float] = field(default_factory=dict)
    """the same of "I know it, and don't like it" """


@dataclass(frozen=True, slots=True)
class ProbeList:
    """In the order in which to ask; judged: what the list is worth to users by whom nothing of it was fitted."""

    items: tuple[Probe, ...]
    judged: Mapping[str, Any]
    shrinkage: float = 0.0
    """of the readout: users who have to say so until an answer counts half"""


@dataclass(frozen=True, slots=True)
class Probes:
    """All lists of a file."""

    until: float
    """time of the latest event that they know, in the log's unit"""
    log: str
    """identity of the log"""
    left_out: str
    """as in `encoders.learned_from.LearnedFrom`"""
    seed: int
    users: int
    """by whom they were fitted"""
    likes: Mapping[str, Any]
    """the action weight from which on an item is liked, and which actions reach it"""
    overall: ProbeList
    scenarios: Mapping[str, ProbeList] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            OutputError: it can't be written.
        """
        text = json.dumps(
            {"format": FORMAT, "version": VERSION, **asdict(self)}, ensure_ascii=False, indent=1
        )
        with whole_file(path) as draft:
            draft.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Probes:
        """Read what `save` wrote.

        Raises:
            SettingsError: the file can't be read, or is none of probes that this release knows.
        """
        advice = "make it with `driftline probe LOG --out FILE`"
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"probes {path}: {error.strerror}; {advice}") from None
        except ValueError:
            raise SettingsError(f"probes {path}: the file is not JSON; {advice}") from None
        if not isinstance(told, dict) or told.pop("format", None) != FORMAT:
            raise SettingsError(f"probes {path}: the file holds no probes; {advice}")
        if (version := told.pop("version", None)) != VERSION:
            raise SettingsError(
                f"probes {path}: version {str(version)[:20]}, this release reads {VERSION}; {advice}"
            )
        try:
            lists = {name: _probe_list(one) for name, one in told.pop("scenarios").items()}
            return cls(overall=_probe_list(told.pop("overall")), scenarios=lists, **told)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SettingsError(f"probes {path}: the file is damaged ({error}); {advice}") from None

    def asked(self, scenario: str | None) -> tuple[Probe, ...]:
        """Those of the scenario, if it has a list of its own, else those of all."""
        chosen = self.overall if scenario is None else self.scenarios.get(scenario, self.overall)
        return chosen.items


def _probe_list(told: Mapping[str, Any]) -> ProbeList:
    items = tuple(Probe(**one) for one in told["items"])
    if not all(isinstance(one.item_id, str) and isinstance(one.known, int | float) for one in items):
        raise ValueError("an item without an id or a share")
    return ProbeList(items, told["judged"], float(told["shrinkage"]))


def shown_probes(
    store: Store,
    probes: Sequence[Probe],
    states: InterestStates,
    scenario: str | None,
    tests: Sequence[AttributeTest],
) -> list[tuple[Probe, ItemRecord]]:
    """What to ask a user, in order: the probes that the store still has, of the scenario if one is named, that pass the tests
    and that the user has not hidden. Nothing, if the user has acted or declared an interest.

    states: of that user alone.
    """
    if states.n_events[0] or (states.declared is not None and states.declared.speaks()[0]):
        return []
    keys = [item_key(probe.item_id) for probe in probes]
    hidden = set() if states.aside is None else set(states.aside.hidden.item.tolist())
    found = zip(probes, keys, store.items.read(keys), strict=True)
    return [
        (probe, record)
        for probe, key, record in found
        if record is not None
        and record.item_id == probe.item_id
        and key not in hidden
        and (scenario is None or record.scenario == scenario)
        and passes_all(tests, record.attributes)
    ]
