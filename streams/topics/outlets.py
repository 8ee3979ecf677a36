"""Where events of each action are written, and in which form: the inverse of what a slot reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.errors import SettingsError
from streams.events.description import EventDescription
from streams.events.encode import Record, event_record
from streams.events.event import Event
from streams.events.event_writer import EventWriter
from streams.topics.layout import TopicLayout


@dataclass(frozen=True, slots=True)
class Outlet:
    """A topic, and how an event becomes a record of it."""

    topic: str
    encode: Callable[[Event], Record] = event_record


@dataclass(frozen=True, slots=True)
class Outlets:
    """By action. refused: why an action has none."""

    by_action: Mapping[str, Outlet]
    refused: Mapping[str, str] = field(default_factory=dict)

    def of(self, action: str) -> Outlet:
        """Where events of an action go.

        Raises:
            SettingsError: nowhere; says why.
        """
        outlet = self.by_action.get(action)
        if outlet is None:
            raise SettingsError(self.refused.get(action, f"no topic takes events of the action {action!r}"))
        return outlet

    @property
    def topics(self) -> list[str]:
        """Full names, each once."""
        return list(dict.fromkeys(outlet.topic for outlet in self.by_action.values()))


def plain_outlets(topics: Mapping[str, str]) -> Outlets:
    """A topic an action, with records in Driftline's own form. topics: action -> full name."""
    return Outlets({action: Outlet(topic) for action, topic in topics.items()})


def outlets_of(
    layout: TopicLayout,
    describe: Callable[[str], EventDescription],
    actions: Sequence[str],
    *,
    record_times: bool = False,
) -> Outlets:
    """The topic that takes events of each of these actions: the first of its own, else the first whose events name theirs.

    Args:
        describe: name of a slot -> how it is read.
        record_times: records carry the times of their events.

    Raises:
        SettingsError: there is none for any of them, or its records can't be written; names the slot.
    """
    outlets, refused = dict[str, Outlet](), dict[str, str]()
    unwritable: list[str] = []
    for action in actions:
        takers = [(topic, slot) for topic, slot in layout.events.items() if slot.action == action]
        takers += [(topic, slot) for topic, slot in layout.events.items() if slot.action is None]
        if not takers:
            patterns = " (a pattern names none to write to)" if layout.patterns else ""
            refused[action] = (
                f"no topic of the settings takes events of the action {action!r}{patterns}: name one in [topics.events.NAME]"
            )
            continue
        topic, slot = takers[0]
        try:
            writer = EventWriter(
                describe(slot.name), action, topic_says=slot.action is not None, record_times=record_times
            )
        except SettingsError as error:
            refused[action] = f"topic {topic!r} ({slot.name}): {error}"
            unwritable.append(refused[action])
        else:
            outlets[action] = Outlet(topic, writer.record)
    if not outlets:
        raise SettingsError(next(iter([*unwritable, *refused.values()]), "there are no actions"))
    return Outlets(outlets, refused)
