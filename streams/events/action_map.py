"""What the data calls an action -> the code of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from streams.errors import SettingsError
from streams.events.events_config import IGNORE, REST

UNKNOWN_ACTION: Final = 255
"""Code of an unknown action; its event is rejected."""
IGNORED_ACTION: Final = 254
"""Code of an action that the map ignores; its event is counted, and neither applied nor rejected."""


class ActionMap:
    """Names to codes; upper and lower case are one, white space around a name is none of it.

    >>> found = ActionMap({"view": "browse", "*": "ignore"}, ("browse", "click", "purchase"))
    >>> [found.code(name) for name in ("View", "click", "scroll")] == [0, 1, IGNORED_ACTION]
    True
    """

    def __init__(self, names: Mapping[str, str], actions: Sequence[str]) -> None:
        self.actions = tuple(actions)
        """our actions, by code"""
        codes = {action.casefold(): code for code, action in enumerate(actions)}
        targets = {**codes, IGNORE: IGNORED_ACTION}
        given: dict[str, int] = {}
        for name, target in names.items():
            code = targets.get(target.strip().casefold())
            if code is None:
                raise SettingsError(
                    f"events.actions: {name[:40]!r} is mapped to {target[:40]!r}, which is no action; actions are "
                    f"{', '.join(actions)} and {IGNORE}; further ones are named in [interest.actions]"
                )
            given[name.strip().casefold()] = code
        self._rest = given.pop(REST, UNKNOWN_ACTION)
        self._codes = {**codes, **given}

    def code(self, name: str) -> int:
        """The code of ours, `IGNORED_ACTION` or `UNKNOWN_ACTION`."""
        return self._codes.get(name.strip().casefold(), self._rest)
