"""The layout of topics: which are read, and the slot of each. One topic has one slot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from streams.topics.slot import TopicSlot

DEFAULT_ACTIONS: Final = {"browses": "browse", "clicks": "click", "purchases": "purchase"}
"""Field of the settings that names a default topic -> action of its events."""
INTERNAL: Final = "__"
"""With this the names of Kafka's own topics begin."""


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """All topics whose name, behind the prefix, matches as a whole. rest: but for those that another slot takes."""

    slot: TopicSlot
    prefix: str
    expression: re.Pattern[str]
    rest: bool = False

    def takes(self, topic: str) -> bool:
        """Whether the topic matches."""
        behind = topic.removeprefix(self.prefix)
        return topic.startswith(self.prefix) and self.expression.fullmatch(behind) is not None


@dataclass(frozen=True, slots=True)
class TopicsFound:
    """Those of a broker's topics that are read. claimed_twice: topics that two patterns take, which are not read."""

    slots: Mapping[str, TopicSlot]
    claimed_twice: Sequence[str]


@dataclass(frozen=True, slots=True)
class TopicLayout:
    """named: full name of a topic -> its slot, the items' too. dead_letters: full name; never read here."""

    named: Mapping[str, TopicSlot]
    patterns: Sequence[TopicPattern]
    dead_letters: str

    @classmethod
    def of(
        cls,
        named: Sequence[tuple[str, TopicSlot]],
        patterns: Sequence[TopicPattern],
        *,
        dead_letters: str,
    ) -> Self:
        """Put together, and checked.

        Raises:
            ValueError: two slots have one topic, or one name; names them.

        >>> TopicLayout.of([("a", TopicSlot("x")), ("a", TopicSlot("y"))], [], dead_letters="d")
        Traceback (most recent call last):
        ValueError: topic 'a' is named by x and by y: a topic has one slot. If its events name their action: a slot without one
        """
        slots: dict[str, TopicSlot] = {}
        for topic, slot in named:
            if topic in slots:
                raise ValueError(
                    f"topic {topic!r} is named by {slots[topic].name} and by {slot.name}: a topic has one slot. If its "
                    "events name their action: a slot without one"
                )
            if topic == dead_letters:
                raise ValueError(f"topic {topic!r} is named by {slot.name}, and is the dead letters' own")
            slots[topic] = slot
        names = [slot.name for _, slot in named] + [pattern.slot.name for pattern in patterns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two slots are called {twice[0]}; name the other one differently")
        for topic, slot in slots.items():
            for pattern in patterns:
                if pattern.takes(topic) and not pattern.rest and slot.has_events:
                    raise ValueError(
                        f"topic {topic!r} is named by {slot.name}, and the pattern of {pattern.slot.name} takes it, too: a "
                        f"topic has one slot. rest = true in {pattern.slot.name} leaves it to {slot.name}"
                    )
        return cls(slots, patterns, dead_letters)

    @property
    def required(self) -> list[str]:
        """Full names of the topics that have to exist."""
        return [*self.named, self.dead_letters]

    @property
    def events(self) -> dict[str, TopicSlot]:
        """The event topics that are named."""
        return {topic: slot for topic, slot in self.named.items() if slot.has_events}

    @property
    def items(self) -> str:
        """Full name of the topic of catalogue records."""
        return next(topic for topic, slot in self.named.items() if slot.is_items)

    def slot_of(self, topic: str) -> TopicSlot | None:
        """The slot of a topic, whether it exists or not; None: it is none of ours, or two patterns take it."""
        slots = self._takers(topic)
        return slots[0] if len(slots) == 1 else None

    def found(self, existing: Iterable[str]) -> TopicsFound:
        """What is read where these topics exist: those that are named, there or not, and those that match."""
        slots, twice = dict(self.named), []
        for topic in sorted(existing):
            takers = self._takers(topic)
            if len(takers) == 1:
                slots[topic] = takers[0]
            elif takers:
                twice.append(
                    f"topic {topic!r} matches the patterns of {' and '.join(slot.name for slot in takers)}; it is not read. "
                    "Let one of them match less, or give it rest = true"
                )
        return TopicsFound(slots, twice)

    def _takers(self, topic: str) -> list[TopicSlot]:
        if topic in self.named:
            return [self.named[topic]]
        if topic == self.dead_letters or topic.startswith(INTERNAL):
            return []
        takers = [pattern for pattern in self.patterns if pattern.takes(topic)]
        first = [pattern.slot for pattern in takers if not pattern.rest]
        return first or [pattern.slot for pattern in takers]
