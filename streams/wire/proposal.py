"""What `[events]` seems to fit a topic's records, the envelope around them included. A proposal, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from streams.events.description import FIELDS
from streams.events.events_config import EventsConfig
from streams.events.proposal import Sample, json_sample, propose_events
from streams.wire.envelope import ENVELOPES, Envelope
from streams.wire.hints import likely_envelope

_PAYLOAD: Final = "payload."
_FIRST: Final = "0."


def propose_for_records(
    values: Sequence[bytes], config: EventsConfig, actions: Sequence[str], now: float
) -> dict[str, Any]:
    """Changes of `[events]` by which the records would be events; none where nothing better is found.

    Args:
        values: records of JSON; others say nothing.
        config: by which the records are read now, what its envelope says of fields included.
        actions: names of our actions, by code.
        now: unix seconds.
    """
    envelope, changes = ENVELOPES[config.envelope], {}
    if config.envelope == "none" and (seen := likely_envelope(values)) != "none":
        envelope, changes = ENVELOPES[seen], {"envelope": seen}
        left = {*FIELDS, "time"} - config.model_fields_set
        config = config.changed({name: path for name, path in envelope.defaults.items() if name in left})
    found = propose_events(_inside(json_sample(values), envelope), config, actions, now)
    return {**changes, **found}


def _inside(sample: Sample, envelope: Envelope) -> Sample:
    """The values that stand where an envelope's event does, by their paths in it."""
    if envelope.name == "none":
        return sample
    found: dict[str, list[Any]] = {}
    for path, values in sample.items():
        inner: str | None = path
        if envelope.connect != "never" and path.startswith(_PAYLOAD):
            inner = path.removeprefix(_PAYLOAD)
        elif envelope.connect == "always":
            inner = None
        if inner is not None and envelope.prefix:
            prefix = f"{envelope.prefix}."
            inner = inner.removeprefix(prefix) if inner.startswith(prefix) else None
        if inner is not None and envelope.in_array:
            inner = inner.removeprefix(_FIRST)
        if inner:
            found.setdefault(inner, []).extend(values)
    return found
