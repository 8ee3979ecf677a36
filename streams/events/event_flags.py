"""What flags say of events (`--map`, `--time`, `--action-map`, `--action`, `--scenario`), over the settings' `[events]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from streams.errors import MappingError, SettingsError
from streams.events.events_config import ID_FIELDS, EventsConfig
from transfer.weigh import MEASURES

POSITION_FIELDS: Final = ("topic", "partition", "offset")
"""Where in Kafka a row of a file comes from; read where a file has all three."""
_MAPPED: Final = ("timestamp", *ID_FIELDS, *MEASURES)
# Quotes are about constants; within them a comma is a character like others.
_PART: Final = re.compile(r"""(?:[^,'"]|'[^']*'|"[^"]*"|['"])+""")
_CONSTANT: Final = re.compile(r"""(?:'([^']*)'|"([^"]*)")""")
_WITH_DEFAULT: Final = re.compile(r"""(.+?)\s*\|\s*(?:'([^']*)'|"([^"]*)")""")


def parse_event_map(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Changes of `[events]`, and the columns of positions in Kafka, from `field=path,...`.

    A path is `a.b.0.c`, or a column's name; `'x'` is a constant, `path|'x'` a path with a default.

    >>> parse_event_map("user_id=customer.id, scenario='web', text=q|'none', topic=t")
    ({'user_id': 'customer.id', 'scenario': {'constant': 'web'}, 'text': {'path': 'q', 'default': 'none'}}, {'topic': 't'})

    Raises:
        MappingError: not of that form, an unknown field, or the same field twice.
    """
    changes: dict[str, Any] = {}
    positions: dict[str, str] = {}
    for part in _PART.findall(text):
        if not part.strip():
            continue
        field, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not field or not value:
            raise MappingError(f"--map: {part.strip()!r} is not of the form field=column")
        known = (*_MAPPED, *POSITION_FIELDS)
        if field not in known:
            hint = f"; did you mean {value}={field}?" if value in known else ""
            raise MappingError(f"--map: unknown field {field!r}; fields are {', '.join(known)}{hint}")
        if field in changes or field in positions:
            raise MappingError(f"--map: field {field!r} is given twice")
        if field in POSITION_FIELDS:
            positions[field] = value
        else:
            changes[field] = _setting(value)
    return changes, positions


def parse_action_map(text: str) -> dict[str, str]:
    """Names of the data -> actions, from `view=browse,addtocart=click,*=ignore`.

    >>> parse_action_map("view=browse, *=ignore")
    {'view': 'browse', '*': 'ignore'}

    Raises:
        MappingError: not of that form, or the same name twice.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        name, equals, action = (piece.strip() for piece in part.rpartition("="))
        if not equals or not name or not action:
            raise MappingError(f"--action-map: {part.strip()!r} is not of the form name=action")
        if name in found:
            raise MappingError(f"--action-map: {name!r} is given twice")
        found[name] = action
    return found


def with_flags(
    config: EventsConfig,
    changes: Mapping[str, Any],
    *,
    action: str | None = None,
    scenario: str | None = None,
    time: str | None = None,
    action_map: str = "",
) -> EventsConfig:
    """The settings with what flags say over them. An action or scenario is of the records that have none.

    Raises:
        SettingsError, MappingError: a flag says nothing that can be meant; names it.
    """
    said: dict[str, Any] = dict(changes)
    for name, default in (("action", action), ("scenario", scenario)):
        if default is not None:
            before = said.get(name, getattr(config, name))
            path = before if isinstance(before, str) else None
            if path is None:
                path = before.get("path") if isinstance(before, dict) else before.path
            said[name] = {"path": path or name, "default": default}
    if time is not None:
        said["time"] = time
    if action_map:
        said["actions"] = {**config.actions, **parse_action_map(action_map)}
    try:
        return config.changed(said) if said else config
    except ValidationError as error:
        raise SettingsError("; ".join(_readable(error, changes))) from None


def _setting(value: str) -> Any:
    found = _CONSTANT.fullmatch(value)
    if found:
        return {"constant": found[1] if found[1] is not None else found[2]}
    found = _WITH_DEFAULT.fullmatch(value)
    if found:
        return {"path": found[1], "default": found[2] if found[2] is not None else found[3]}
    return value


def _readable(error: ValidationError, changes: Mapping[str, Any]) -> Sequence[str]:
    flags = {"time": "--time", "actions": "--action-map"}
    return [
        f"{flags.get(str(one['loc'][0]), '--map ' if one['loc'][0] in changes else '--')}"
        f"{'' if str(one['loc'][0]) in flags else one['loc'][0]}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_input=False, include_url=False)
    ]
