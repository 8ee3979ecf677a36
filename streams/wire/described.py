"""A description of events, for each form in which its envelope comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from streams.events.description import FIELDS, EventDescription
from streams.events.events_config import EventsConfig, FieldSource
from streams.events.paths import OUTSIDE, parse_path
from streams.wire.envelope import Envelope
from streams.wire.forms import BARE, IN_ARRAY, PLAIN, WRAPPED
from streams.wire.operations import OPERATION
from streams.wire.record_batch import HEADER

_PAYLOAD: Final = "payload"


@dataclass(frozen=True, slots=True)
class FormDescription:
    """How records in one form are read."""

    events: EventDescription
    otherwise: Mapping[str, str] = field(default_factory=dict)
    """field -> where it stands where the event does not say it: the name of a further text of `events`, or a path beside the
    record"""


def by_form(
    description: EventDescription, envelope: Envelope, *, has_action: bool
) -> dict[int, FormDescription]:
    """Form -> description of records in it.

    has_action: their topic says the action, so that the envelope's name of it says nothing more.
    """
    chosen = description.config.model_fields_set | ({"action"} if has_action else set())
    left = {name for name in (*FIELDS, "time") if name not in chosen}
    paths = {name: path for name, path in envelope.defaults.items() if name in left}
    otherwise = {name: path for name, path in envelope.otherwise.items() if name in left}
    config = description.config.changed(paths) if paths else description.config
    described = replace(description, config=config)
    forms = {PLAIN: _under(described, envelope, "", envelope.prefix, otherwise)}
    if envelope.connect != "never":
        forms[WRAPPED] = _under(described, envelope, _PAYLOAD, envelope.prefix, otherwise)
    if envelope.headers:
        bare = replace(described, config=_from_headers(config, envelope.headers))
        headers = {name: _header_path(path, envelope.headers) for name, path in otherwise.items()}
        forms[BARE] = FormDescription(bare, headers)
    if envelope.in_array:
        forms[IN_ARRAY] = _under(described, envelope, "", f"{envelope.prefix}.0", otherwise)
    return forms


def _under(
    description: EventDescription, envelope: Envelope, root: str, prefix: str, otherwise: Mapping[str, str]
) -> FormDescription:
    outer = f"{root}." if root else ""
    further = {f"{name} otherwise": f"{outer}{path}" for name, path in otherwise.items()}
    if envelope.operation:
        further[OPERATION] = f"{outer}{envelope.operation}"
    under = description.under(".".join(filter(None, (root, prefix))), further)
    names = {name: f"{name} otherwise" for name in otherwise}
    return FormDescription(replace(under, root=(root,) if root else ()), names)


def _from_headers(config: EventsConfig, prefix: str) -> EventsConfig:
    """Paths outside the event lead to headers."""
    changes: dict[str, Any] = {}
    for name in FIELDS:
        source = config.source(name)
        if source.path is not None and source.path.startswith(OUTSIDE):
            path = _header_path(source.path.removeprefix(OUTSIDE), prefix)
            changes[name] = FieldSource(path=path, default=source.default)
    return config.changed(changes) if changes else config


def _header_path(path: str, prefix: str) -> str:
    return f"{HEADER}{prefix}{parse_path(path)[0]}"
