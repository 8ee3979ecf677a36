"""The actions that a store knows beside the three that are always there: each a name under a code, once and for all.

A code is a point in the meta collection. It is only ever inserted, on condition that no other process was faster, so two
processes that open with different new actions give no code to two names. The weight of an action may change while no event
of it is in the store; `used` says that there may be some, and is set before the first of them is written.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sinks.collection import Collection, Payload, PointBatch, Where, WriteMode
from sinks.errors import ActionsDiffer, StoreMismatch, StoreUnavailable
from sinks.points import named_id
from sinks.validation import check_texts
from sinks.writer import FENCE

_KIND = "folder"
_ACTIONS = " actions"
_PAGE = 256
_MOST_TRIES = 50
MOST_STORED = 197
"""With the three that are always there as many as a uint8 code can tell apart, less the codes of other meaning."""


@dataclass(frozen=True, slots=True)
class StoredAction:
    """An action as a store knows it."""

    name: str
    weight: float
    used: bool


class CollectionActions:
    """See `sinks.protocols.Actions`."""

    def __init__(
        self, meta: Collection, prepare: Callable[[], None] = lambda: None, generation: str = ""
    ) -> None:
        """prepare: called before anything is written. generation: whose actions these are; another one's are not seen
        (`sinks.renewal`)."""
        self._of = f"{generation}/" if generation else ""
        self._meta = meta
        self._prepare = prepare
        self._lock = threading.Lock()
        self._used: set[str] = set()

    def known(self) -> list[StoredAction]:
        """All, in order of codes."""
        return [_stored(payload) for payload in self._all()]

    def register(self, wanted: Mapping[str, float]) -> list[StoredAction]:
        """Give new names codes and set weights; see `sinks.protocols.Actions.register`."""
        check_texts(list(wanted), "actions")
        for _ in range(_MOST_TRIES + len(wanted)):
            stored = self._all()
            require_same_actions([_stored(payload) for payload in stored], wanted)
            by_name = {str(payload["name"]): payload for payload in stored}
            changed = [
                payload
                for name, payload in by_name.items()
                if name in wanted and float(payload["weight"]) != wanted[name]
            ]
            missing = [name for name in wanted if name not in by_name]
            if not changed and not missing:
                return [_stored(payload) for payload in stored]
            self._prepare()
            for payload in changed:
                self._set(payload, weight=wanted[str(payload["name"])])
            # One at a time: refused silently where another process has given the code meanwhile, perhaps to the next name.
            for name in missing[:1]:
                content: Payload = {"name": name, "weight": wanted[name], "used": 0}
                self._put(len(stored), content, 0, None, WriteMode.INSERT)
        raise StoreUnavailable("other processes kept changing the actions")

    def use(self, weights: Mapping[str, float]) -> None:
        """Events of these are about to be written; see `sinks.protocols.Actions.use`."""
        with self._lock:
            fresh = {name: weight for name, weight in weights.items() if name not in self._used}
            if not fresh:
                return
            for _ in range(_MOST_TRIES):
                stored = {str(payload["name"]): payload for payload in self._all()}
                for name, weight in fresh.items():
                    if name not in stored or float(stored[name]["weight"]) != weight:
                        raise ActionsDiffer(
                            f"another process has changed the weight of the action {name!r} in the store meanwhile; start again"
                        )
                waiting = [stored[name] for name in fresh if not stored[name]["used"]]
                if not waiting:
                    self._used |= set(fresh)
                    return
                self._prepare()
                for payload in waiting:
                    self._set(payload, used=1)
        raise StoreUnavailable("other processes kept changing the actions")

    def _set(self, payload: Payload, **change: float) -> None:
        """Unless another process has changed the point since it was read."""
        content = {key: payload[key] for key in ("name", "weight", "used")} | change
        seen = int(payload[FENCE])
        self._put(int(payload["code"]), content, seen + 1, Where(at_most={FENCE: seen}), WriteMode.UPDATE)

    def _put(self, code: int, content: Payload, revision: int, where: Where | None, mode: WriteMode) -> None:
        payload: Payload = {
            **content,
            "code": code,
            FENCE: revision,
            _KIND: _ACTIONS + self._of,
            "change": secrets.token_hex(8),
        }
        point = PointBatch([_point(self._of, code)], {}, [payload], np.array([300], np.int64))
        self._meta.upsert(point, where=where, mode=mode)

    def _all(self) -> list[Payload]:
        found: list[Payload] = []
        after = None
        while True:
            page, after = self._meta.scroll(
                _PAGE, after, Where(equals={_KIND: (_ACTIONS + self._of,)}), False
            )
            found += [point.payload for point in page]
            if after is None:
                break
        found.sort(key=lambda payload: int(payload["code"]))
        names = [payload["name"] for payload in found]
        if [payload["code"] for payload in found] != list(range(len(found))) or len(set(names)) != len(names):
            raise StoreMismatch(
                f"the register of actions in {self._meta.name} is damaged; restore it from a backup"
            )
        return found


def require_same_actions(stored: list[StoredAction], wanted: Mapping[str, float]) -> None:
    """Refuse another weight for an action that events were counted with, another spelling of one, and too many.

    Raises:
        ActionsDiffer: says which, and what the store has.
    """
    for action in stored:
        if action.used and action.name in wanted and wanted[action.name] != action.weight:
            raise ActionsDiffer(
                f"the store counts the action {action.name!r} with a weight of {action.weight:g}, the settings say "
                f"{wanted[action.name]:g}; set interest.actions as it was, or replay the log into a new store"
            )
    names = {action.name for action in stored}
    spelled = {name.casefold(): name for name in names}
    fresh = [name for name in wanted if name not in names]
    for name in fresh:
        # Events name actions in any case: under a second spelling they would be other events, with another weight.
        if name.casefold() in spelled:
            raise ActionsDiffer(
                f"the store knows the action {spelled[name.casefold()]!r}, the settings spell it {name!r}; set "
                "interest.actions as the store has it"
            )
    if len(stored) + len(fresh) > MOST_STORED:
        raise ActionsDiffer(
            f"the store knows {len(stored)} further actions, the settings add {len(fresh)}; a store takes "
            f"{MOST_STORED} at most, and none of them leaves it: take some out of interest.actions"
        )


def _stored(payload: Payload) -> StoredAction:
    return StoredAction(str(payload["name"]), float(payload["weight"]), bool(payload["used"]))


def _point(of: str, code: int) -> str:
    return named_id(f"action/{of}{code}")
