"""Events as records in the form that a description reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsError
from streams.events.decode import decode_events
from streams.events.description import EventDescription
from streams.events.event import Event
from streams.events.event_writer import EventWriter
from streams.events.events_config import EventsConfig
from support.data.event_columns import NOW
from support.data.event_rows import rows_of
from transfer.config import ACTIONS

SHOP: dict[str, Any] = {
    "user_id": "context.customer.id",
    "timestamp": "at",
    "scenario": {"path": "shop", "default": "web"},
    "item_id": "items.0.sku",
    "text": "search",
    "event_id": "@key.id",
    "action": "type",
    "actions": {"View": "browse", "addtocart": "click", "transaction": "purchase", "*": "ignore"},
}
FORMS = ["auto", "s", "ms", "us", "ns", "iso", "minutes", "hours", "days"]
EVENTS = st.builds(
    Event,
    user_id=st.text("abü 1", min_size=1).filter(str.strip),
    timestamp=st.integers(0, 10**9).map(lambda micro: round(NOW - 1000 + micro / 1e6, 3)),
    scenario=st.sampled_from(["books", "games"]),
    item_id=st.sampled_from(["i1", "i/2"]),
    text=st.none() | st.sampled_from(["tents"]),
    event_id=st.none() | st.sampled_from(["e1", "e2"]),
)


def read(description: EventDescription, action: str | None, record: tuple[bytes, bytes]) -> Any:
    import msgspec

    key = record[0]
    beside = {"@key": [key.decode()]}
    if "@key.id" in description.beside.values():
        beside["@key.id"] = [msgspec.json.decode(key).get("id") if key.startswith(b"{") else None]
    decoded = decode_events(
        [record[1]],
        offsets=[0],
        action=description.action_code(action),
        source="s",
        now=NOW + 1e7,
        description=description,
        beside=beside,
    )
    assert not decoded.rejects, decoded.rejects
    return decoded.columns


@given(EVENTS, st.sampled_from(ACTIONS), st.sampled_from(FORMS), st.booleans())
def test_what_is_written_is_read_as_it_was(event: Event, action: str, form: str, topic_says: bool) -> None:
    """Nested paths, keys, action names and any form of time: the description reads the same event."""
    for given_config in ({"time": form}, {**SHOP, "time": form}):
        description = EventDescription(EventsConfig(**given_config), max_future_s=1e9)
        record = EventWriter(description, action, topic_says=topic_says).record(event)
        columns = read(description, action if topic_says else None, record)
        ((user, item, scenario, text, time, code, *_),) = rows_of(columns)
        assert (user, item, scenario, text) == (event.user_id, event.item_id, event.scenario, event.text)
        assert ACTIONS[code] == action
        assert time == pytest.approx(event.timestamp, abs=1e-3)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"format": "avro"}, "format = 'avro'"),
        ({"envelope": "debezium"}, "envelope = 'debezium'"),
        ({"time": "position"}, "position"),
        ({"user_id": "@header.user"}, "events.user_id"),
        ({"timestamp": "@timestamp"}, "--record-time event"),
        ({"action": {"constant": "click"}}, "events.action"),
        ({"actions": {"purchase": "click"}}, "no name for 'purchase'"),
    ],
)
def test_what_cant_be_written_is_refused_by_name(config: dict[str, Any], words: str) -> None:
    """Before anything is sent: a topic gets no records that are read otherwise."""
    description = EventDescription(EventsConfig(**config))
    with pytest.raises(SettingsError) as caught:
        EventWriter(description, "purchase", topic_says=False)
    assert words in str(caught.value)


def test_a_constant_is_not_written_and_has_to_be_true() -> None:
    """The description says it of all records, so an event that has another would be read as another event."""
    description = EventDescription(EventsConfig(scenario={"constant": "web"}))  # type: ignore[arg-type]
    writer = EventWriter(description, "click", topic_says=True)
    assert b"web" not in writer.record(Event("u", 1.0, "web", "i"))[1]
    with pytest.raises(SettingsError, match=r"events\.scenario is a constant"):
        writer.record(Event("u", 1.0, "shop", "i"))
